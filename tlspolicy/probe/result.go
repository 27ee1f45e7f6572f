package probe

import (
	"net/netip"
	"time"

	"tlsrelay/tlspolicy"
)

// Answer is what a probe found out about a question. The zero Answer is Unknown.
type Answer uint8

const (
	Unknown Answer = iota // silence, a closed connection, or an answer that makes no sense
	No
	Yes
)

// Target is one address of a mail server.
type Target struct {
	Addr     netip.AddrPort
	Name     string // of the host: for SNI, and what its certificate must be valid for
	Implicit bool   // TLS from the first byte, as on port 465
	Anywhere bool   // the operator named the host: it may have an address that is not public
}

// Result is what one address offers.
type Result struct {
	Target
	Time time.Time // when the probe ended

	Trouble  string // why nothing could be asked, or not all: "connection refused", "STARTTLS is not offered"; "" when it could
	STARTTLS Answer // whether it is offered, or not needed
	Refused  bool   // it is offered, and refused for good: see ErrRefused

	Versions    []Version // SSL 3.0 to TLS 1.3, the oldest first; nil when nothing could be asked
	Exchanges   []Exchange
	PostQuantum Answer // X25519MLKEM768 in TLS 1.3
	BigHello    Answer // whether it gets over a ClientHello of more than one packet

	Certificate *Certificate // nil: none was seen

	refused bool // our own handshake, as mail does it at level required, found nothing in common
}

// Version is what was found out about one protocol version.
type Version struct {
	Version tlspolicy.Version
	Offered Answer
	Seen    string // what answered the ClientHello, in a few words; remote text is not in it
}

// Exchange is what was found out about one family of key exchange in TLS 1.2 or, where that is not offered, the newest older
// version: ECDHE, DHE, RSA.
type Exchange struct {
	Name    string
	Offered Answer
}

// Certificate is what the server's own certificate says, and how it was found. Names and issuer are the remote's words, without
// control characters and of bounded length. Where Problem says that the certificate or its key cannot be used at all, Trusted
// and Fits are Unknown.
type Certificate struct {
	Names     []string // see Names
	Issuer    string
	NotBefore time.Time
	NotAfter  time.Time
	Key       string // "RSA 2048", "ECDSA P-256"

	Trusted Answer // the chain leads to an authority of the roots at the time of the probe
	Fits    Answer // it is valid for the target's name
	Problem string // what crypto/x509 says is wrong with it; "" if all is well
}
