package admin

import (
	"time"

	"tlsrelay/queue"
)

// Evidence is what attempts saw of the TLS of one address at which they failed, and what a probe found out there.
type Evidence struct {
	Host        string       `json:"host"`
	Address     string       `json:"address"` // with the port
	Cause       string       `json:"cause"`
	Seen        string       `json:"seen"`            // what the latest failed handshake showed
	Needed      string       `json:"needed"`          // the oldest TLS version that the policy allows
	Proven      bool         `json:"proven"`          // the probe alone would name the same cause
	Probed      time.Time    `json:"probed,omitzero"` // left out: there was no probe
	Offers      string       `json:"offers"`          // protocol versions that the probe found
	KeyExchange string       `json:"key_exchange"`
	Certificate *Certificate `json:"certificate,omitempty"` // left out: none was seen
	First       time.Time    `json:"first"`
	Last        time.Time    `json:"last"`
	Attempts    int          `json:"attempts"` // that failed there; 0: those of other messages, for which this one was put off
}

// Certificate is what a host's certificate says.
type Certificate struct {
	Names     string    `json:"names"`
	Issuer    string    `json:"issuer"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

func newEvidence(all []queue.Evidence) []Evidence {
	var shown []Evidence
	for i := range all {
		e := &all[i]
		one := Evidence{
			Host: queue.Printable(e.Host), Address: e.Remote, Cause: e.Cause, Seen: queue.Printable(e.Seen), Needed: e.Needed,
			Proven: e.Proven, Offers: e.Offers, KeyExchange: e.KeyExchange, First: e.First.UTC(), Last: e.Last.UTC(), Attempts: e.Attempts,
		}
		if !e.Probed.IsZero() {
			one.Probed = e.Probed.UTC()
		}
		if c := &e.Certificate; !c.NotAfter.IsZero() {
			one.Certificate = &Certificate{queue.Printable(c.Names), queue.Printable(c.Issuer), c.NotBefore.UTC(), c.NotAfter.UTC()}
		}
		shown = append(shown, one)
	}
	return shown
}
