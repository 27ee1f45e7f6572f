package check

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scenes are targets of all kinds; the report on each stands in testdata.
func scenes() map[string]*world {
	selfSigned := func(r *probe.Result) {
		r.Certificate = &probe.Certificate{
			Names: []string{"localhost"}, Issuer: "CN=localhost", NotBefore: epoch.Add(-9e15), NotAfter: epoch.Add(-time.Hour), Key: "RSA 2048",
			Trusted: probe.No, Fits: probe.No, Problem: "expired",
		}
	}
	unreached := &probe.Result{Trouble: "connecting failed: no answer in time"}
	noSTARTTLS := &probe.Result{STARTTLS: probe.No, Trouble: "STARTTLS is not offered"}
	good, old := offers(tlspolicy.TLS12, tlspolicy.TLS13), with(offers(tlspolicy.TLS10, tlspolicy.TLS11), selfSigned)
	two := map[string][]delivery.Hop{"example.org": {mx(10, "mx1.example.org"), mx(20, "mx2.example.org")}}
	at := func(one, other string) map[string][]string {
		return map[string][]string{"mx1.example.org": {one}, "mx2.example.org": {other}}
	}
	level := func(l tlspolicy.Level) tlspolicy.Policy { return tlspolicy.Policy{Default: tlspolicy.Rule{Level: l}} }
	return map[string]*world{
		"good": {hops: two, addrs: map[string][]string{"mx1.example.org": {"2001:db8::1", "192.0.2.1"}, "mx2.example.org": {"192.0.2.2"}},
			probed: map[string]*probe.Result{"192.0.2.1": good, "2001:db8::1": good, "192.0.2.2": good}},
		"one old": {hops: two, addrs: at("192.0.2.1", "192.0.2.2"),
			probed: map[string]*probe.Result{"192.0.2.1": good, "192.0.2.2": old}},
		"one address old": {hops: two, addrs: map[string][]string{"mx1.example.org": {"192.0.2.1", "2001:db8::1"}, "mx2.example.org": {"192.0.2.2"}},
			probed: map[string]*probe.Result{"192.0.2.1": good, "2001:db8::1": old, "192.0.2.2": unreached}},
		"all old": {hops: two, addrs: at("192.0.2.1", "192.0.2.2"),
			probed: map[string]*probe.Result{"192.0.2.1": old, "192.0.2.2": offers(tlspolicy.SSL30, tlspolicy.TLS10)}},
		"no TLS 1.3": {hops: two, addrs: at("192.0.2.1", "192.0.2.2"),
			probed: map[string]*probe.Result{"192.0.2.1": offers(tlspolicy.TLS10, tlspolicy.TLS12), "192.0.2.2": offers(tlspolicy.TLS12, tlspolicy.TLS12)}},
		"nobody there": {hops: two, addrs: at("192.0.2.1", "192.0.2.2"),
			probed: map[string]*probe.Result{"192.0.2.1": unreached, "192.0.2.2": unreached}},
		"verified": {policy: level(tlspolicy.Verified), hops: two, addrs: at("192.0.2.1", "192.0.2.2"),
			probed: map[string]*probe.Result{"192.0.2.1": good, "192.0.2.2": with(offers(tlspolicy.TLS12, tlspolicy.TLS13), selfSigned)},
			tried:  map[string]error{"192.0.2.2": errors.New("no session: expired")}},
		"clear text": {policy: level(tlspolicy.Opportunistic), hops: two, addrs: at("192.0.2.1", "192.0.2.2"),
			probed: map[string]*probe.Result{"192.0.2.1": noSTARTTLS, "192.0.2.2": good}},
		"no clear text after broken TLS": {policy: level(tlspolicy.Opportunistic), hops: two, addrs: at("192.0.2.1", "192.0.2.2"),
			probed: map[string]*probe.Result{"192.0.2.1": old, "192.0.2.2": noSTARTTLS}},
		"no such domain": {none: map[string]queue.Outcome{"example.org": {
			Result: queue.ResultFailed, Cause: "no-such-domain", Detail: "the domain example.org does not exist"}}},
		"dns trouble": {none: map[string]queue.Outcome{"example.org": {
			Result: queue.ResultDeferred, Cause: "dns-trouble", Detail: "DNS look-up of MX example.org failed: 192.0.2.53:53 answered SERVFAIL"}}},
		"neither MX nor address": {hops: map[string][]delivery.Hop{"example.org": {{Name: "example.org", Port: 25, NoMX: true}}},
			none: map[string]queue.Outcome{"example.org": {
				Result: queue.ResultFailed, Cause: "no-mail-host", Detail: "the domain example.org has neither MX nor address records"}}},
		"no MX": {hops: map[string][]delivery.Hop{"example.org": {{Name: "example.org", Port: 25, NoMX: true}}},
			addrs: map[string][]string{"example.org": {"192.0.2.1"}}, probed: map[string]*probe.Result{"192.0.2.1": good}},
		"route": {hops: map[string][]delivery.Hop{"example.org": {
			{Name: "smart.example.net", Port: 465, Routed: true, ImplicitTLS: true, Login: true}, {Name: "b.example.net", Port: 587, Routed: true}}},
			addrs:  map[string][]string{"smart.example.net": {"192.0.2.1"}},
			none:   map[string]queue.Outcome{"b.example.net": {Result: queue.ResultDeferred, Cause: "dns-trouble", Detail: "the host b.example.net has no address"}},
			probed: map[string]*probe.Result{"192.0.2.1": good}},
		"odd": {hops: two, addrs: at("192.0.2.1", "192.0.2.2"),
			probed: map[string]*probe.Result{
				"192.0.2.1": with(offers(tlspolicy.TLS12, tlspolicy.TLS12), func(r *probe.Result) {
					r.BigHello, r.Versions[4].Offered, r.Versions[4].Seen = probe.No, probe.Unknown, "nothing"
				}),
				"192.0.2.2": with(offers(tlspolicy.TLS13, tlspolicy.TLS13), func(r *probe.Result) { r.Certificate = nil }),
			},
			tried: map[string]error{"192.0.2.2": errors.New("no session: remote error: tls: internal error; the server sent: alert 80 (internal error)")}},
		"unknown": {hops: two, addrs: at("192.0.2.1", "192.0.2.2"),
			probed: map[string]*probe.Result{"192.0.2.1": unclear(offers(tlspolicy.TLS10, tlspolicy.TLS11), tlspolicy.TLS12, tlspolicy.TLS13),
				"192.0.2.2": with(unclear(offers(1, 0), tlspolicy.SSL30, tlspolicy.TLS10, tlspolicy.TLS11, tlspolicy.TLS12, tlspolicy.TLS13),
					func(r *probe.Result) { r.Certificate, r.PostQuantum, r.BigHello = nil, probe.Unknown, probe.Unknown })},
			tried: map[string]error{"192.0.2.1": errors.New("no session: no answer in time; the server sent: nothing"),
				"192.0.2.2": errors.New("no session: remote error: tls: handshake failure; the server sent: alert 40 (handshake failure)")}},
		"late": {hops: two, addrs: map[string][]string{"mx1.example.org": {"192.0.2.1", "192.0.2.3"}, "mx2.example.org": {"192.0.2.2"}},
			probed:  map[string]*probe.Result{"192.0.2.1": part(offers(tlspolicy.TLS13, tlspolicy.TLS13), 3), "192.0.2.3": unreached, "192.0.2.2": part(old, 2)},
			stopped: map[string]bool{"192.0.2.1": true, "192.0.2.2": true}},
		"late at one host": {hops: two, addrs: at("192.0.2.1", "192.0.2.2"),
			probed: map[string]*probe.Result{"192.0.2.1": part(good, 4), "192.0.2.2": good}, stopped: map[string]bool{"192.0.2.1": true}},
		"hostile": {hops: two, addrs: at("192.0.2.1", "192.0.2.2"), probed: map[string]*probe.Result{"192.0.2.1": hostile(),
			"192.0.2.2": {Trouble: "the server answers 554 \x1b]0;owned\x07\u202e" + strings.Repeat("A\u0301", 500)}}},
	}
}

// unclear is a result of which some versions are not known.
func unclear(r *probe.Result, versions ...tlspolicy.Version) *probe.Result {
	return with(r, func(r *probe.Result) {
		for i := range r.Versions {
			if v := &r.Versions[i]; slices.Contains(versions, v.Version) {
				v.Offered, v.Seen = probe.Unknown, "silence"
			}
		}
	})
}

// part is a result of a probe that was stopped before it had asked for so many of the older versions.
func part(r *probe.Result, missing int) *probe.Result {
	c := *r
	c.Versions = slices.Clone(r.Versions)
	c.Trouble, c.Certificate, c.PostQuantum, c.BigHello = "stopped", nil, probe.Unknown, probe.Unknown
	for i := range missing {
		c.Versions[i].Offered, c.Versions[i].Seen = probe.Unknown, "not answered in time"
	}
	return &c
}

// hostile is a result with words that want to do things to a terminal.
func hostile() *probe.Result {
	evil := "evil\x1b[31m\x07\u202e\u200d\n\r\x00,O=x" + strings.Repeat("z\u0335", 300)
	return with(offers(tlspolicy.TLS12, tlspolicy.TLS13), func(r *probe.Result) {
		r.Certificate.Names = []string{evil, evil, evil, evil}
		r.Certificate.Issuer, r.Certificate.Problem = "O="+evil, evil
		r.Certificate.Trusted, r.Certificate.Fits = probe.No, probe.No
		r.Versions[0].Seen = evil
	})
}

func TestTable(t *testing.T) {
	for name, w := range scenes() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b strings.Builder
				if err := Table(&b, w.check(t, "example.org"), Style{}); err != nil {
					t.Fatal(err)
				}
				harmless(t, b.String())
				golden(t, name, b.String())
			})
		})
	}
}

// harmless wants lines that fit and hold nothing but printable characters.
func harmless(t *testing.T, table string) {
	t.Helper()
	for line := range strings.Lines(table) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > 110 {
			t.Errorf("a line of %d characters: %s", n, line)
		}
		for _, r := range line {
			if !unicode.IsPrint(r) || unicode.IsMark(r) {
				t.Errorf("%q is in %q", r, line)
				break
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (with -update it is written anew):\n%s", file, diff)
	}
}

// TestColor: colors are around words and change none.
func TestColor(t *testing.T) {
	r := scenes()["one old"].check(t, "example.org")
	var plain, colored strings.Builder
	if err := errors.Join(Table(&plain, r, Style{}), Table(&colored, r, Style{Color: true})); err != nil {
		t.Fatal(err)
	}
	text := colored.String()
	for _, want := range []string{"\x1b[1mexample.org\x1b[0m", "\x1b[32mok\x1b[0m\n", "\x1b[31mbelow the floor: no mail\x1b[0m\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, code := range []color{bold, dim, good, warn, bad, "0"} {
		text = strings.ReplaceAll(text, "\x1b["+string(code)+"m", "")
	}
	if text != plain.String() {
		t.Errorf("the words differ:\n%s", text)
	}
}

func TestServerTable(t *testing.T) {
	w := &world{addrs: map[string][]string{"192.0.2.1": {"192.0.2.1"}}, probed: map[string]*probe.Result{"192.0.2.1": with(offers(tlspolicy.TLS13, tlspolicy.TLS13),
		func(r *probe.Result) { r.Certificate.Fits = probe.No })}}
	for _, target := range []string{"192.0.2.1", "192.0.2.1:465"} {
		var b strings.Builder
		if err := Table(&b, w.check(t, target), Style{}); err != nil {
			t.Fatal(err)
		}
		golden(t, "server "+strings.ReplaceAll(target, ":", "-"), b.String())
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		72 * time.Hour: "3 days", 24 * time.Hour: "1 day", 36 * time.Hour: "36 hours", 90 * time.Minute: "90 minutes", 1500 * time.Millisecond: "1.5s",
	} {
		if got := duration(d); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// FuzzTable: whatever a remote says, the table is lines of printable characters, and the JSON can be read.
func FuzzTable(f *testing.F) {
	f.Add("CN=x", "mx.example.org", "seen", "the server answers 554 no", true)
	f.Add("O=\u3164", "a\u0301\u0301\u0301\u0301\u0301\u0301", "\u009b2J", "\u2800", true)
	f.Add("O=\x1b[2J,CN=\x7f", "\x1b]0;x\x07", "\r\n\x1b", "x", true)
	f.Add("O=\ufe0f", "\u115f", "x", "\u009b", false)
	f.Add("\x1b[31m,O=\\", "\u202e", "\n", "\x00", false)
	f.Fuzz(func(t *testing.T, issuer, name, seen, trouble string, reached bool) {
		r := with(offers(tlspolicy.TLS12, tlspolicy.TLS13), func(r *probe.Result) {
			r.Certificate.Issuer, r.Certificate.Names, r.Certificate.Problem = issuer, []string{name}, seen
			r.Certificate.Fits, r.Versions[4].Seen, r.Versions[4].Offered = probe.No, seen, probe.Unknown
		})
		if !reached {
			r = &probe.Result{Trouble: trouble}
		}
		w := &world{hops: map[string][]delivery.Hop{"example.org": {mx(10, "mx.example.org")}}, addrs: map[string][]string{"mx.example.org": {"192.0.2.1"}},
			probed: map[string]*probe.Result{"192.0.2.1": r}, tried: map[string]error{"192.0.2.1": errors.New(fmt.Sprint(trouble))}}
		report := w.check(t, "example.org")
		var table, object strings.Builder
		if err := errors.Join(Table(&table, report, Style{}), JSON(&object, report)); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{table.String(), object.String()} {
			if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
				t.Fatalf("%q", text[i:])
			}
			if strings.ContainsAny(text, "\u3164\u115f\u2800\ufe0f") || strings.Contains(text, strings.Repeat("\u0301", 5)) {
				t.Fatalf("%q hides or floods", text)
			}
		}
		if strings.Count(object.String(), "\n") != 1 {
			t.Fatalf("%q", object.String())
		}
	})
}
