package tlspolicy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
)

// Alerts (RFC 8446 section 6.2) that say by themselves what is wrong. The others, 40 above all, have several meanings.
const (
	alertProtocolVersion      = 70
	alertInsufficientSecurity = 71
)

// Explain names the cause of a failed handshake from its error and from the raw bytes that the server sent (as far as they
// were kept). It never answers "no cause": what fits no row is HandshakeFailed.
func (d Decision) Explain(err error, raw []byte) (Cause, Observed) {
	seen := Observe(raw)
	if cause, ok := certificateCause(err); ok {
		return cause, seen
	}
	switch {
	case seen.Hello && seen.Version < d.floor():
		return VersionBelowFloor, seen
	case seen.Alert == alertProtocolVersion:
		return VersionBelowFloor, seen
	case seen.Alert == alertInsufficientSecurity:
		return NoCommonCipher, seen
	case seen.Hello && !d.offers(seen.Cipher):
		return NoCommonCipher, seen
	}
	return HandshakeFailed, seen
}

// certificateCause sorts errors about the certificate. Go checks the time first, then the name, then the chain.
func certificateCause(err error) (Cause, bool) {
	var verification *tls.CertificateVerificationError
	if !errors.As(err, &verification) {
		return unreadable(err)
	}
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return CertificateName, true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return CertificateExpired, true
	}
	return CertificateUntrusted, true
}

// unreadable knows the untyped errors that crypto/tls has for certificates and keys that it cannot use.
func unreadable(err error) (Cause, bool) {
	if err == nil {
		return Cause{}, false
	}
	for _, s := range []string{
		"tls: failed to parse certificate from server",
		"tls: server sent certificate containing RSA key larger than",
		"tls: server's certificate contains an unsupported type of public key",
		"tls: invalid signature by the server certificate",
		"keys are insecure", // crypto/rsa on less than 1024 bits
	} {
		if strings.Contains(err.Error(), s) {
			return CertificateUnreadable, true
		}
	}
	return Cause{}, false
}

// offers reports whether our ClientHello has the cipher suite.
func (d Decision) offers(id uint16) bool {
	for _, s := range tls.CipherSuites() {
		if s.ID == id {
			return true
		}
	}
	if d.Level == Verified {
		return false
	}
	for _, rsa := range withRSAKeyExchange {
		if rsa == id {
			return true
		}
	}
	return false
}
