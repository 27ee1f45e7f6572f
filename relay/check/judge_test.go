package check

import (
	"errors"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

func TestJudge(t *testing.T) {
	refused := errors.New("no session: tls: handshake failure\x1b[31m")
	certificate := func(change func(*probe.Certificate)) *probe.Result {
		return with(offers(tlspolicy.TLS12, tlspolicy.TLS13), func(r *probe.Result) { change(r.Certificate) })
	}
	untrusted := certificate(func(c *probe.Certificate) { c.Trusted, c.Problem = probe.No, "unknown authority" })
	late := certificate(func(c *probe.Certificate) { c.Trusted, c.NotAfter = probe.No, epoch.Add(-time.Hour) })
	for name, tt := range map[string]struct {
		result *probe.Result
		level  tlspolicy.Level
		floor  tlspolicy.Version
		tried  error
		way    string
		want   string // passes, clear, or the cause
		short  string
	}{
		"all is well":        {result: offers(tlspolicy.TLS12, tlspolicy.TLS13), want: "passes", short: "ok"},
		"TLS 1.2":            {result: offers(tlspolicy.TLS10, tlspolicy.TLS12), want: "passes", short: "ok, but no TLS 1.3"},
		"TLS 1.1":            {result: offers(tlspolicy.TLS10, tlspolicy.TLS11), want: "tls-version", short: "below the floor: no mail"},
		"floor 1.3":          {result: offers(tlspolicy.TLS10, tlspolicy.TLS12), floor: tlspolicy.TLS13, want: "tls-version", short: "below the floor: no mail"},
		"nothing is offered": {result: offers(1, 0), tried: refused, want: "tls-handshake", short: "TLS fails: no mail"},
		"the handshake fails though a version is offered": {result: offers(tlspolicy.TLS12, tlspolicy.TLS13), tried: refused,
			want: "tls-handshake", short: "TLS fails: no mail"},
		"no key exchange of ours": {result: with(offers(tlspolicy.TLS12, tlspolicy.TLS12), func(r *probe.Result) {
			r.Exchanges = []probe.Exchange{{Name: "ECDHE", Offered: probe.No}, {Name: "DHE", Offered: probe.Yes}, {Name: "RSA", Offered: probe.No}}
		}), tried: refused, want: "tls-cipher", short: "no common cipher: no mail"},
		"unknown, but it works": {result: with(offers(tlspolicy.TLS12, tlspolicy.TLS12), func(r *probe.Result) {
			r.Versions[4].Offered = probe.Unknown
		}), want: "passes", short: "ok"},
		"an untrusted certificate does not matter at required": {result: untrusted, want: "passes", short: "ok"},
		"untrusted": {result: untrusted, level: tlspolicy.Verified, tried: refused, want: "certificate-untrusted", short: "not trusted: no mail"},
		"late":      {result: late, level: tlspolicy.Verified, tried: refused, want: "certificate-expired", short: "certificate expired: no mail"},
		"wrong name": {result: certificate(func(c *probe.Certificate) { c.Fits = probe.No }), level: tlspolicy.Verified, tried: refused,
			want: "certificate-name", short: "wrong name: no mail"},
		"unreadable": {result: with(offers(tlspolicy.TLS12, tlspolicy.TLS13), func(r *probe.Result) {
			r.Certificate = &probe.Certificate{Problem: "negative serial number"}
		}), tried: refused, want: "certificate-unreadable", short: "unreadable certificate: no mail"},
		"no STARTTLS": {result: &probe.Result{STARTTLS: probe.No, Trouble: "STARTTLS is not offered"}, want: "starttls-not-offered", short: "no STARTTLS: no mail"},
		"clear text": {result: &probe.Result{STARTTLS: probe.No, Trouble: "STARTTLS is not offered"}, level: tlspolicy.Opportunistic, want: "clear",
			short: "no STARTTLS: mail goes in clear text"},
		"no clear text for broken TLS": {result: offers(tlspolicy.TLS10, tlspolicy.TLS10), level: tlspolicy.Opportunistic, want: "tls-version",
			short: "below the floor: no mail"},
		"refused": {result: &probe.Result{Trouble: "connecting failed: connection refused"}, way: "connection-refused", want: "connection-refused",
			short: "cannot be reached: connection refused"},
		"refused, and no word why": {result: &probe.Result{Trouble: "gone"}, want: "connection-lost", short: "cannot be reached: gone"},
		"unwilling": {result: &probe.Result{Trouble: "the server answers 554 go\x1b[2J"}, way: "remote-temporary", want: "remote-temporary",
			short: "turns us away: the server answers 554 go?[2J"},
		"STARTTLS refused for good": {result: &probe.Result{STARTTLS: probe.Yes, Refused: true, Trouble: "the server answers 502 no"}, level: tlspolicy.Opportunistic,
			way: "starttls-refused", want: "starttls-refused", short: "STARTTLS refused: no mail"},
		"STARTTLS refused": {result: &probe.Result{Trouble: "the server answers 454 later"}, way: "starttls-refused", want: "starttls-refused",
			short: "STARTTLS refused: no mail"},
	} {
		p := tlspolicy.Policy{Default: tlspolicy.Rule{Level: tt.level, Floor: tt.floor}}
		tt.result.Time = epoch
		var way *delivery.ReachError
		if tt.way != "" {
			way = &delivery.ReachError{Outcome: queue.Outcome{Cause: tt.way, Detail: tt.result.Trouble}}
		}
		v := judge(tt.result, p.Decide("example.org", epoch), tt.tried, way)
		got := v.Cause
		switch {
		case v.Passes && v.Clear:
			got = "clear"
		case v.Passes:
			got = "passes"
		}
		if short := (Address{Result: tt.result, Verdict: v}).short(); got != tt.want || short != tt.short {
			t.Errorf("%s: %s %q, want %s %q", name, got, short, tt.want, tt.short)
		}
	}
}

// Each TLS cause has short words, a phrase and something to do; those of connections have words.
func TestEachCauseHasWords(t *testing.T) {
	for _, c := range tlspolicy.Causes() {
		a := Address{Result: &probe.Result{}, Verdict: Verdict{Cause: c.Key}}
		if shortCauses[c.Key] == "" || failure(a, tlspolicy.TLS12) == unreached(c.Key) || remedy(c.Key, tlspolicy.TLS12) == "" {
			t.Errorf("%s: %q, %q, %q", c.Key, shortCauses[c.Key], failure(a, tlspolicy.TLS12), remedy(c.Key, tlspolicy.TLS12))
		}
	}
}
