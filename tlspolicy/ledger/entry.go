package ledger

import (
	"slices"
	"time"

	"tlsrelay/tlspolicy/probe"
)

// Seen is what an attempt saw of the TLS of one host at which it failed. All text is made harmless and short by [Ledger.Note].
type Seen struct {
	Host   string `json:"host,omitempty"`   // as named in DNS; "" for one that has no name
	Cause  string `json:"cause"`            // key of a row in the table of causes
	Answer string `json:"answer,omitempty"` // what the failed handshake showed
	Needed string `json:"needed"`           // the oldest version that was allowed, "1.2"

	Probed      time.Time   `json:"probed,omitzero"`  // when the host was last asked what it offers; zero: never, the next three say nothing
	Offers      string      `json:"offers,omitempty"` // protocol versions, the oldest first, "TLS 1.0, TLS 1.1"; "" for none at all
	KeyExchange string      `json:"key_exchange,omitempty"`
	Certificate Certificate `json:"certificate,omitzero"`
	Proven      bool        `json:"proven,omitempty"` // what the host offers is alone enough for the cause
}

// Certificate is what a host's certificate says.
type Certificate struct {
	Names     string    `json:"names,omitempty"` // DNS names that it is made for, "mx1.example.org, mx2.example.org"
	Issuer    string    `json:"issuer,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"` // zero: no certificate was seen
}

// Host is what is known of one host of a domain.
type Host struct {
	Seen               // by the latest attempt; the probe's part may be older
	First    time.Time `json:"first"` // of the attempts that failed there
	Last     time.Time `json:"last"`
	Attempts int       `json:"attempts"` // at most MaxAttempts
}

// Entry is what is known of a domain. Who gets one must not change it.
type Entry struct {
	Domain    string    `json:"domain"`
	Hosts     []Host    `json:"hosts"`              // at least one
	Last      time.Time `json:"last"`               // failed attempt at any of them
	Delivered time.Time `json:"delivered,omitzero"` // when mail for the domain first got through after a failure; zero if it did not
	Version   string    `json:"version,omitempty"`  // of TLS then, "TLS 1.3"; "" for clear text
}

// failed gives the entry that follows e after an attempt that failed at hosts. Of a host with several addresses one is kept,
// the one about which most is known. e may be nil, and stays as it is.
func (e *Entry) failed(domain string, seen []Seen, now time.Time) *Entry {
	next := &Entry{Domain: domain, Last: now}
	if e != nil {
		next.Hosts, next.Delivered, next.Version = slices.Clone(e.Hosts), e.Delivered, e.Version
		next.Hosts = slices.DeleteFunc(next.Hosts, func(h Host) bool { return now.Sub(h.Last) > memory })
	}
	for i, s := range seen {
		if better := slices.IndexFunc(seen, func(o Seen) bool { return o.Host == s.Host && o.weight() > s.weight() }); better >= 0 ||
			slices.ContainsFunc(seen[:i], func(o Seen) bool { return o.Host == s.Host && o.weight() == s.weight() }) {
			continue
		}
		next.add(s, now)
	}
	return next
}

// weight says how much s tells.
func (s *Seen) weight() int {
	switch {
	case s.Proven:
		return 2
	case !s.Probed.IsZero():
		return 1
	}
	return 0
}

func (e *Entry) add(s Seen, now time.Time) {
	i := slices.IndexFunc(e.Hosts, func(h Host) bool { return h.Host == s.Host })
	if i < 0 {
		if len(e.Hosts) == maxHosts {
			i = e.quietest()
			e.Hosts[i] = Host{First: now}
		} else {
			i = len(e.Hosts)
			e.Hosts = append(e.Hosts, Host{First: now})
		}
	}
	h := &e.Hosts[i]
	if old := h.Seen; s.Probed.IsZero() { // what the last probe found out is still the best there is
		s.Probed, s.Offers, s.KeyExchange = old.Probed, old.Offers, old.KeyExchange
		s.Proven = s.Proven || old.Proven && old.Cause == s.Cause && old.Needed == s.Needed && now.Sub(old.Probed) < probe.ProofAge
		if s.Certificate.NotAfter.IsZero() {
			s.Certificate = old.Certificate
		}
	}
	h.Seen, h.Last = s, now
	h.Attempts = min(h.Attempts+1, MaxAttempts)
}

func (e *Entry) quietest() int {
	least := 0
	for i := range e.Hosts {
		if e.Hosts[i].Last.Before(e.Hosts[least].Last) {
			least = i
		}
	}
	return least
}
