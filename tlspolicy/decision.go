package tlspolicy

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// Decision is what holds for one destination at one time. The zero Decision asks for TLS 1.2.
type Decision struct {
	Level Level
	Floor Version

	roots    *x509.CertPool
	sessions *sessions // nil: none is resumed
	made     time.Time
	small    bool // see SmallHello
}

// floor guards against a Decision that was not made by a Policy.
func (d Decision) floor() Version { return max(d.Floor, MinFloor) }

// Key tells connections apart: one may carry another destination's mail only if the keys are equal.
func (d Decision) Key() string { return d.Level.String() + "/" + d.floor().String() }

// WithoutClearText is the decision for all further hosts once some host's TLS turned out to be broken: a failed handshake
// is never followed by clear text, on any host.
func (d Decision) WithoutClearText() Decision {
	if d.Level == Opportunistic {
		d.Level = Required
	}
	return d
}

// Authenticated is the decision for a host that gets a secret of ours: it must prove who it is.
func (d Decision) Authenticated() Decision {
	d.Level = Verified
	return d
}

// ClientConfig makes the TLS configuration for a session with the MX host named host. It is good for the time of the decision:
// until the hour ends, a session that was made under the same decision key is resumed.
func (d Decision) ClientConfig(host string) *tls.Config {
	c := &tls.Config{
		ServerName: host,
		MinVersion: uint16(d.floor()),
		RootCAs:    d.roots,
	}
	if d.Level != Verified {
		// Encryption without authentication, as RFC 7435 has it. What must hold is checked by Judge.
		c.InsecureSkipVerify = true
		c.CipherSuites = withRSAKeyExchange
	}
	switch {
	case d.small:
		c.CurvePreferences = smallCurves
	case d.sessions != nil:
		c.ClientSessionCache = d.sessions.during(d.Key(), d.made)
	}
	return c
}

// withRSAKeyExchange lists the suites for TLS 1.2, with RSA key exchange behind all others (Go keeps its own order of
// preference): a host that has nothing else is weak, but not below the floor.
var withRSAKeyExchange = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_RSA_WITH_AES_256_CBC_SHA,
}

// Verdict is the answer to "may mail go over this session?". The zero Verdict says no.
type Verdict struct {
	Pass   bool
	Cause  Cause  // why not
	Detail string // for the log and the notice
}

// Judge looks at the session as it stands right before MAIL FROM. starttlsOffered is what the host's EHLO answer said;
// state is nil when the session is in clear text.
func (d Decision) Judge(starttlsOffered bool, state *tls.ConnectionState) Verdict {
	if state == nil {
		switch {
		case starttlsOffered:
			return Verdict{Cause: HandshakeFailed, Detail: "STARTTLS is offered, but the session is not encrypted"}
		case d.Level != Opportunistic:
			return Verdict{Cause: STARTTLSNotOffered, Detail: "the server does not offer STARTTLS"}
		}
		return Verdict{Pass: true}
	}
	switch v := Version(state.Version); {
	case !state.HandshakeComplete:
		return Verdict{Cause: HandshakeFailed, Detail: "the TLS handshake is not complete"}
	case v < d.floor():
		return Verdict{Cause: VersionBelowFloor, Detail: fmt.Sprintf("the session has %s, needed is TLS %s", v.Name(), d.floor())}
	case d.Level == Verified && len(state.VerifiedChains) == 0:
		return Verdict{Cause: CertificateUntrusted, Detail: "the certificate was not verified"}
	}
	return Verdict{Pass: true}
}
