package tlspolicy

// Cause is one row of the table of TLS reasons for which mail is not delivered. All other reasons stand in package queue.
type Cause struct {
	Key        string
	Status     string // enhanced status code while deferring (RFC 3463, RFC 7672 section 2.1.3)
	ResultType string // of an SMTP TLS report (RFC 8460 section 4.3)
}

var (
	STARTTLSNotOffered    = Cause{"starttls-not-offered", "4.7.4", "starttls-not-supported"}
	STARTTLSRefused       = Cause{"starttls-refused", "4.7.4", "starttls-not-supported"}
	VersionBelowFloor     = Cause{"tls-version", "4.7.5", "validation-failure"}
	NoCommonCipher        = Cause{"tls-cipher", "4.7.5", "validation-failure"}
	HandshakeFailed       = Cause{"tls-handshake", "4.7.5", "validation-failure"}
	CertificateExpired    = Cause{"certificate-expired", "4.7.5", "certificate-expired"}
	CertificateName       = Cause{"certificate-name", "4.7.5", "certificate-host-mismatch"}
	CertificateUntrusted  = Cause{"certificate-untrusted", "4.7.5", "certificate-not-trusted"}
	CertificateUnreadable = Cause{"certificate-unreadable", "4.7.5", "validation-failure"}
)

// Causes lists the table.
func Causes() []Cause {
	return []Cause{
		STARTTLSNotOffered, STARTTLSRefused, VersionBelowFloor, NoCommonCipher, HandshakeFailed,
		CertificateExpired, CertificateName, CertificateUntrusted, CertificateUnreadable,
	}
}

// CauseOf gives the row with a key; false if there is none: it is no matter of TLS.
func CauseOf(key string) (Cause, bool) {
	for _, c := range Causes() {
		if c.Key == key {
			return c, true
		}
	}
	return Cause{}, false
}

// IsCause reports whether a key is that of a row: it is a matter of TLS.
func IsCause(key string) bool {
	_, ok := CauseOf(key)
	return ok
}
