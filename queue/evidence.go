package queue

import "time"

// Evidence is what attempts saw of the TLS of one address of a host at which they failed, and what a probe without mail found
// out there. It is text for notices and listings: this package knows no TLS.
type Evidence struct {
	Host   string // as named in DNS or in the route
	Remote string // address and port
	Cause  string // key of a row in the table of causes
	Seen   string // what the latest failed handshake showed, "alert 70 (protocol version not supported)"
	Needed string // the oldest version that the policy allows, "1.2"

	Probed      time.Time // when the probe was; zero: there was none, and the next four say nothing
	Offers      string    // protocol versions, the oldest first, "TLS 1.0, TLS 1.1"; "" for none at all
	KeyExchange string    // of TLS 1.2 and older, "ECDHE, DHE, RSA"
	Certificate CertificateFacts
	Proven      bool // the probe alone would name the same cause: chance, load and things on the way are out of the question

	First, Last time.Time // of the attempts that failed there
	Attempts    int
}

// CertificateFacts is what a host's certificate says.
type CertificateFacts struct {
	Names     string // that it is made for, "mx1.example.org, mx2.example.org"
	Issuer    string
	NotBefore time.Time
	NotAfter  time.Time // zero: no certificate was seen
}
