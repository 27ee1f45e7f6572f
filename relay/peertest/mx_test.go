//go:build linux

package peertest

import (
	"crypto/tls"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tlsrelay/relay/dns/dnstest"
)

// Addresses of the MX hosts.
const (
	atModern = "127.0.77.11" // Postfix with TLS 1.3
	atTLS12  = "127.0.77.12" // TLS 1.2 alone
	atOld    = "127.0.77.13" // TLS 1.0 and 1.1 alone
	atPlain  = "127.0.77.14" // no STARTTLS
	atClear  = "127.0.77.15" // no STARTTLS, and the policy accepts it
	atFirst  = "127.0.77.16" // better MX of twohosts.test, TLS 1.0 and 1.1
	atWorse  = "127.0.77.17" // better MX of mixed.test, TLS 1.0 and 1.1
	atLast   = "127.0.77.18" // other MX of mixed.test, no STARTTLS
	atSender = "127.0.77.19" // the sender's own host
)

func mxZone() dnstest.Zone {
	return dnstest.Zone{
		"modern.test":      {MX: []string{"10 mx.modern.test."}},
		"mx.modern.test":   {A: []string{atModern}},
		"tls12.test":       {MX: []string{"10 mx.tls12.test."}},
		"mx.tls12.test":    {A: []string{atTLS12}},
		"old.test":         {MX: []string{"10 mx.old.test."}},
		"mx.old.test":      {A: []string{atOld}},
		"plain.test":       {MX: []string{"10 mx.plain.test."}},
		"mx.plain.test":    {A: []string{atPlain}},
		"clear.test":       {MX: []string{"10 mx.clear.test."}},
		"mx.clear.test":    {A: []string{atClear}},
		"twohosts.test":    {MX: []string{"20 mx.tls12.test.", "10 mx.twohosts.test."}},
		"mx.twohosts.test": {A: []string{atFirst}},
		"mixed.test":       {MX: []string{"10 mx1.mixed.test.", "20 mx2.mixed.test."}},
		"mx1.mixed.test":   {A: []string{atWorse}},
		"mx2.mixed.test":   {A: []string{atLast}},
		"sender.test":      {MX: []string{"10 mx.sender.test."}},
		"mx.sender.test":   {A: []string{atSender}},
	}
}

// mxPolicy is the rest of the configuration: two exceptions, and a lifetime that has room for an attempt, one more, and
// the last one.
const mxPolicy = `
[[tls.domain]]
name = "clear.test"
level = "opportunistic"
until = "2099-12-31"
why = "the test wants to see clear text"
[[tls.domain]]
name = "mixed.test"
level = "opportunistic"
until = "2099-12-31"
why = "a host that fails must not make the next one weaker"
[queue]
lifetime = "10s"
retry = ["4s"]
delay_notice = "off"
`

// destination is a domain and what must become of a mail to it.
type destination struct {
	domain string
	host   string // that decides
	tls    string // version that the mail went over
	cause  string // "": it is delivered
	status string
	says   string // part of the notice
}

const (
	saysVersion  = "supports neither TLS 1.2 nor TLS 1.3"
	saysSTARTTLS = "does not offer an encrypted connection"
)

func destinations() []destination {
	return []destination{
		{domain: "modern.test", host: "mx.modern.test", tls: "1.3", status: "2.0.0"},
		{domain: "tls12.test", host: "mx.tls12.test", tls: "1.2", status: "2.0.0"},
		{domain: "clear.test", host: "mx.clear.test", status: "2.0.0"},
		{domain: "twohosts.test", host: "mx.tls12.test", tls: "1.2", status: "2.0.0"},
		{domain: "old.test", host: "mx.old.test", cause: "tls-version", status: "4.7.5", says: saysVersion},
		{domain: "plain.test", host: "mx.plain.test", cause: "starttls-not-offered", status: "4.7.4", says: saysSTARTTLS},
		{domain: "mixed.test", host: "mx1.mixed.test", cause: "tls-version", status: "4.7.5", says: saysVersion},
	}
}

// boxes are where the mail arrives.
type boxes struct{ modern, tls12, clear, sender string }

// startHosts starts the MX hosts. Those that must not get any mail have no box to look into.
func startHosts(t *testing.T, n *network) (b boxes, forbidden []string) {
	t.Helper()
	b.modern = n.startPostfix(t, "mx.modern.test", "modern.test", ">=TLSv1.3", atModern)
	b.tls12 = n.startTLS(t, "mx.tls12.test", "TLSv1.2", "TLSv1.2", atTLS12)
	b.clear = n.startSink(t, "mx.clear.test", atClear)
	b.sender = n.startTLS(t, "mx.sender.test", "TLSv1.3", "TLSv1.3", atSender)
	forbidden = []string{
		n.startTLS(t, "mx.old.test", "TLSv1", "TLSv1.1", atOld, atFirst, atWorse),
		n.startSink(t, "mx.plain.test", atPlain),
		n.startSink(t, "mx2.mixed.test", atLast),
	}
	for addr, newest := range map[string]uint16{
		atModern: tls.VersionTLS13, atTLS12: tls.VersionTLS12, atSender: tls.VersionTLS13,
		atOld: tls.VersionTLS11, atFirst: tls.VersionTLS11, atWorse: tls.VersionTLS11,
	} {
		n.checkTLS(t, addr, newest)
	}
	return b, forbidden
}

func TestPeerMX(t *testing.T) {
	needPackages(t, "postfix", "stunnel4", "tshark", "python3")
	n := newNetwork(t)
	box, forbidden := startHosts(t, n)
	c := startCapture(t, n)
	r := startRelay(t, n, mxZone(), mxPolicy)

	canary := word(t)
	letters := map[string]letter{} // by domain
	for _, d := range destinations() {
		size := 200_000 // many segments, many TLS records
		if d.cause != "" {
			size = 0
		}
		letters[d.domain] = newLetter(canary, d.domain, size)
	}
	letters["old.test"] = letters["old.test"].sevenBit() // comes back whole
	submit(t, n, r, slices.Collect(maps.Values(letters))...)

	for _, d := range destinations() {
		t.Run("first attempt for "+d.domain, func(t *testing.T) { checkAttempt(t, r, d, letters[d.domain]) })
	}
	t.Run("queue", func(t *testing.T) { checkQueue(t, r, letters) })
	t.Run("arrival", func(t *testing.T) {
		file := received(t, box.modern, 1)[0]
		trace := strings.Join(checkArrived(t, file, letters["modern.test"])["Received"], "\n")
		if !strings.Contains(trace, "using TLSv1.3") {
			t.Errorf("Postfix says of the TLS:\n%s", trace)
		}
		checkBox(t, box.tls12, 2, letters["tls12.test"])
		checkBox(t, box.tls12, 2, letters["twohosts.test"])
		checkBox(t, box.clear, 1, letters["clear.test"])
	})
	t.Run("notices", func(t *testing.T) { checkNotices(t, r, box.sender, letters) })
	t.Run("capture", func(t *testing.T) { checkCapture(t, c.end(t), canary) })
	for _, b := range forbidden {
		received(t, b, 0)
	}
	if left := r.queued(t); len(left) > 0 {
		t.Errorf("still queued: %v", left)
	}
}

// checkAttempt looks at the first line of the log about a mail.
func checkAttempt(t *testing.T, r *running, d destination, m letter) {
	t.Helper()
	got := r.log.await(t, "delivery", 1, func(e entry) bool { return e["recipient"] == m.To })[0]
	result := "delivered"
	if d.cause != "" {
		result = "deferred"
	}
	for key, want := range map[string]any{
		"sender": m.From, "host": d.host, "result": result, "cause": d.cause, "status": d.status,
		"tls_version": d.tls, "attempt": 1.0,
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}

// checkQueue waits until the listing shows the mails that are deferred, and no others. The log is ahead of it.
func checkQueue(t *testing.T, r *running, letters map[string]letter) {
	t.Helper()
	want := map[string]recipient{}
	for _, d := range destinations() {
		if d.cause != "" {
			want[letters[d.domain].To] = recipient{d.cause, d.status, d.host}
		}
	}
	var got map[string]recipient
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = r.queued(t); maps.Equal(got, want) {
			return
		}
	}
	t.Errorf("queued: %v, want %v", got, want)
}

// checkNotices waits for the end of the lifetime, and reads what the sender got.
func checkNotices(t *testing.T, r *running, box string, letters map[string]letter) {
	t.Helper()
	var lost []destination
	for _, d := range destinations() {
		if d.cause != "" {
			lost = append(lost, d)
		}
	}
	arrived := func(e entry) bool { return e["sender"] == "" && e["result"] == "delivered" }
	for _, e := range r.log.await(t, "delivery", len(lost), arrived) {
		if e["host"] != "mx.sender.test" || e["tls_version"] != "1.3" {
			t.Errorf("a notice went %v", e)
		}
	}
	notices := readNotices(t, received(t, box, len(lost)))
	for _, d := range lost {
		m := letters[d.domain]
		attempts := r.log.find("delivery", func(e entry) bool { return e["recipient"] == m.To })
		if last := attempts[len(attempts)-1]; len(attempts) < 3 || last["result"] != "failed" || last["cause"] != d.cause {
			t.Errorf("%s: %d attempts, the last: %v", d.domain, len(attempts), last)
		}
		i := slices.IndexFunc(notices, func(n notice) bool { return strings.Contains(n.Text, m.To) })
		if i < 0 {
			t.Errorf("no notice is about %s", m.To)
			continue
		}
		t.Run(d.domain, func(t *testing.T) { notices[i].check(t, d, m) })
	}
}
