package check

import (
	"slices"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// tooSlow is what is said of an address of which nothing else is certain.
const tooSlow = "did not answer everything in time"

// failure says in a few words, with the verb for one host, what is wrong at an address.
func failure(a Address, floor tlspolicy.Version) string {
	if a.Late {
		return tooSlow
	}
	switch a.Verdict.Cause {
	case tlspolicy.VersionBelowFloor.Key:
		if offered := a.Result.Offered(); len(offered) > 0 {
			return "offers nothing newer than " + slices.Max(offered).Name()
		}
		return "offers nothing as new as TLS " + floor.String()
	case tlspolicy.STARTTLSNotOffered.Key:
		return "offers no STARTTLS"
	case tlspolicy.STARTTLSRefused.Key:
		return "offers STARTTLS and refuses it"
	case tlspolicy.NoCommonCipher.Key:
		return "offers no cipher that is safe enough"
	case tlspolicy.HandshakeFailed.Key:
		return "has TLS that does not work"
	case tlspolicy.CertificateExpired.Key:
		return "has a certificate that is out of date"
	case tlspolicy.CertificateName.Key:
		return "has a certificate for other names"
	case tlspolicy.CertificateUntrusted.Key:
		return "has a certificate of no known authority"
	case tlspolicy.CertificateUnreadable.Key:
		return "has a certificate that cannot be read"
	case queue.AddressRefused.Key:
		return "has an address that is not on the public Internet"
	}
	return unreached(a.Verdict.Cause)
}

// remedy is what a host's provider must do; "" if that is not known from here.
func remedy(cause string, floor tlspolicy.Version) string {
	versions := "TLS 1.2 and TLS 1.3"
	if floor == tlspolicy.TLS13 {
		versions = "TLS 1.3"
	}
	switch cause {
	case tlspolicy.VersionBelowFloor.Key:
		return "turn on " + versions
	case tlspolicy.STARTTLSNotOffered.Key:
		return "offer STARTTLS with " + versions
	case tlspolicy.STARTTLSRefused.Key:
		return "look why the server refuses STARTTLS"
	case tlspolicy.NoCommonCipher.Key:
		return "allow ECDHE with AES-GCM"
	case tlspolicy.HandshakeFailed.Key:
		return "look why TLS fails, in the server's log"
	case tlspolicy.CertificateExpired.Key:
		return "renew the certificate"
	case tlspolicy.CertificateName.Key:
		return "get a certificate for the name of the host"
	case tlspolicy.CertificateUntrusted.Key:
		return "get a certificate from a public authority, and send the chain with it"
	case tlspolicy.CertificateUnreadable.Key:
		return "get a new certificate"
	case queue.AddressRefused.Key:
		return "let MX records lead to public addresses"
	}
	return ""
}
