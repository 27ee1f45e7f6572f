package help

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/notice"
	"tlsrelay/tlspolicy/ledger"
)

// evidence is what the ledger knows of the domain that was asked for.
type evidence struct {
	Domain   string
	Hosts    []host // none: nothing is known
	Repaired *moment
	Version  string // of TLS then; "" for clear text
}

// host is a row of the table, and what stands below it.
type host struct {
	Name        string // "": it has none
	Offers      []offer
	Asked       *moment // when the host was asked what it offers; nil: it was not
	Needed      string  // "TLS 1.2"
	First, Last moment
	Attempts    string

	Key, Title, Link string // of the cause; no link to the page itself, or to a cause that is in no table
	Answer           string
	KeyExchange      string
	Proven           bool

	Names, Issuer string // of the certificate
	From, Until   *moment
	Expired       bool
}

// offer is a version of TLS that a host offers.
type offer struct {
	Name string
	Good bool // it is at or above what is needed
}

// moment is a time, for people and for programs.
type moment struct{ Text, Stamp string }

// see gives what is known of the domain. Facts gets what fits the cause of the page, from the host that tells most.
func (v *view) see(p *Pages, facts *notice.Facts) *evidence {
	e := &evidence{Domain: v.query.domain}
	found, ok := p.evidence(v.query.domain)
	if !ok {
		return e
	}
	if found.Delivered.After(found.Last) {
		e.Repaired, e.Version = v.hour(found.Delivered), found.Version
	}
	v.CheckDomain, v.Example = e.Domain, false
	best := slices.IndexFunc(found.Hosts, func(h ledger.Host) bool { return h.Cause == v.Key && h.Proven })
	for i := range found.Hosts {
		h := &found.Hosts[i]
		if best < 0 && h.Cause == v.Key {
			best = i
		}
		e.Hosts = append(e.Hosts, v.host(h, p.now()))
	}
	if best < 0 {
		best = 0
	} else {
		h := &found.Hosts[best]
		c := h.Certificate
		facts.Domain, facts.Host, facts.Needed = e.Domain, h.Host, h.Needed
		facts.Probed, facts.Offers, facts.KeyExchange, facts.Proven = h.Probed.Truncate(time.Hour), h.Offers, h.KeyExchange, h.Proven
		facts.Certificate = queue.CertificateFacts{Names: c.Names, Issuer: c.Issuer, NotBefore: c.NotBefore, NotAfter: c.NotAfter}
	}
	if v.CheckHost = found.Hosts[best].Host; v.CheckHost == "" {
		v.CheckHost = "mx." + e.Domain
	}
	return e
}

func (v *view) host(h *ledger.Host, now time.Time) host {
	c := &h.Certificate
	row := host{
		Name: h.Host, Needed: "TLS " + h.Needed, First: *v.hour(h.First), Last: *v.hour(h.Last), Attempts: number(int64(h.Attempts)),
		Key: h.Cause, Answer: notice.Seen(v.Lang, h.Answer), Asked: v.hour(h.Probed), KeyExchange: h.KeyExchange, Proven: h.Proven,
		Names: c.Names, Issuer: c.Issuer, From: v.moment(c.NotBefore), Until: v.moment(c.NotAfter),
		Expired: !c.NotAfter.IsZero() && c.NotAfter.Before(now),
	}
	if h.Attempts >= ledger.MaxAttempts {
		row.Attempts += "+"
	}
	for name := range strings.SplitSeq(h.Offers, ", ") {
		if name != "" {
			row.Offers = append(row.Offers, offer{name, name >= row.Needed}) // "SSL 3.0" < "TLS 1.0" < "TLS 1.3"
		}
	}
	if e, ok := v.settings.Texts.Explain(v.Lang, h.Cause, notice.Facts{Relay: v.Relay, Needed: h.Needed}); ok {
		row.Title = e.Title
		if h.Cause != v.Key {
			row.Link = v.link(h.Cause)
		}
	}
	return row
}

// hour gives a time to the hour: the minute would tell those who look again and again each time that mail goes out to a domain.
func (v *view) hour(t time.Time) *moment { return v.moment(t.Truncate(time.Hour)) }

// moment gives a time in UTC, as readers know no other zone of this relay; nil for the zero time.
func (v *view) moment(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	layout := "2\u00a0Jan\u00a02006, 15:04\u00a0UTC"
	if v.Lang == "de" {
		layout = "2.1.2006, 15:04\u00a0UTC"
	}
	t = t.UTC()
	return &moment{t.Format(layout), t.Format(time.RFC3339)}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
