package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// oracle is a Prober that knows what it was told.
type oracle struct {
	known  *probe.Result // nil: nothing
	looked int
	asked  []probe.Target
	stale  bool // what is known can be forgotten
	doubts int
}

func (o *oracle) Known(probe.Target) (*probe.Result, bool) {
	o.looked++
	return o.known, o.known != nil
}

func (o *oracle) Doubt(probe.Target) bool { o.doubts++; return o.stale }

func (o *oracle) Ask(t probe.Target) { o.asked = append(o.asked, t) }

// report makes one attempt on a lane of its own.
func report(t *testing.T, o Options, job queue.Job) queue.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	lane := New(o).Open()
	defer lane.Close()
	return lane.Deliver(ctx, job, nil)
}

// oldOnly is what a probe finds at a host that has TLS 1.0 and nothing newer.
func oldOnly() *probe.Result {
	return &probe.Result{
		Time: time.Now(), STARTTLS: probe.Yes,
		Versions: []probe.Version{{Version: tlspolicy.TLS10, Offered: probe.Yes}, {Version: tlspolicy.TLS11, Offered: probe.No},
			{Version: tlspolicy.TLS12, Offered: probe.No}, {Version: tlspolicy.TLS13, Offered: probe.No}},
		Exchanges:   []probe.Exchange{{Name: "ECDHE", Offered: probe.No}, {Name: "DHE", Offered: probe.Yes}, {Name: "RSA", Offered: probe.Yes}},
		Certificate: &probe.Certificate{Names: []string{"mx1.dest.test", "x\x1b[31m"}, Issuer: "CN=Old", NotAfter: time.Now().AddDate(1, 0, 0)},
	}
}

// weak gives a configuration that has no cipher in common with ours: it answers alert 40, which may mean anything.
func weak(t *testing.T, ca *authority) *tls.Config {
	c := ca.server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS12)
	c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA}
	return c
}

func TestEvidenceBeforeAndAfterTheProbe(t *testing.T) {
	host := (&mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS10, tls.VersionTLS11)}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, host.port())
	o := &oracle{}
	n.opts.Prober = o
	first := report(t, n.opts, jobTo("a@dest.test", "b@dest.test"))
	if len(first.Evidence) != 1 || len(o.asked) != 1 {
		t.Fatalf("evidence %+v, asked %v", first.Evidence, o.asked)
	}
	e := first.Evidence[0]
	if e.Host != "mx1.dest.test" || e.Remote != host.addr || e.Cause != "tls-version" || !strings.Contains(e.Seen, "alert 70") ||
		e.Needed != "1.2" || e.Attempts != 1 || e.First.IsZero() || e.First != e.Last || !e.Probed.IsZero() || e.Proven {
		t.Errorf("evidence %+v", e)
	}
	if target := o.asked[0]; target.Addr.String() != host.addr || target.Name != "mx1.dest.test" || target.Implicit || target.Anywhere {
		t.Errorf("asked %+v", target)
	}
	if facts := first.Outcomes[1].TLS; !facts.Broken || facts.Proven {
		t.Errorf("outcome %+v", facts)
	}

	prober := probe.New(probe.Options{Open: New(n.opts).Reach, Now: time.Now}) // the real one looks at the host
	o.known = prober.Probe(t.Context(), o.asked[0])
	second := report(t, n.opts, jobTo("a@dest.test"))
	if e := second.Evidence[0]; e.Offers != "TLS 1.0, TLS 1.1" || !e.Proven || e.Probed.IsZero() || e.KeyExchange == "" {
		t.Errorf("evidence after the probe: %+v", e)
	}
	if facts := second.Outcomes[0].TLS; !facts.Broken || !facts.Proven || second.Outcomes[0].Cause != "tls-version" {
		t.Errorf("outcome after the probe: %+v", second.Outcomes[0])
	}
	if len(o.asked) != 1 {
		t.Errorf("asked again: %v", o.asked)
	}
}

// A handshake that fails without a reason gets one by the probe.
func TestProbeSettlesTheCause(t *testing.T) {
	host := (&mx{tls: weak(t, newAuthority(t))}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, host.port())
	n.opts.Prober = &oracle{known: oldOnly()}
	r := report(t, n.opts, jobTo("a@dest.test"))
	want(t, r.Outcomes[0], "deferred tls-version 4.7.5")
	e := r.Evidence[0]
	if !r.Outcomes[0].TLS.Proven || !e.Proven || e.Cause != "tls-version" || e.Offers != "TLS 1.0" || e.KeyExchange != "DHE, RSA" {
		t.Errorf("%+v", r)
	}
	if e.Certificate.Names != "mx1.dest.test, x?[31m" || e.Certificate.Issuer != "CN=Old" || e.Certificate.NotAfter.IsZero() {
		t.Errorf("certificate %+v", e.Certificate)
	}
	n.opts.Prober = nil
	r = report(t, n.opts, jobTo("a@dest.test"))
	want(t, r.Outcomes[0], "deferred tls-handshake 4.7.5")
}

// refusing is a host that offers STARTTLS and answers it like this.
func refusing(reply string) *mx {
	return &mx{ehlo: []string{"STARTTLS"}, replies: map[string]string{"STARTTLS": reply}}
}

// What a probe was refused for good proves nothing of an attempt that is told to come again, or gets as far as the handshake.
func TestEvidenceOfAnotherRefusal(t *testing.T) {
	refused := &probe.Result{Time: time.Now(), STARTTLS: probe.Yes, Refused: true, Trouble: "the server answers 502"}
	for name, host := range map[string]*mx{
		"come again": refusing("454 4.7.0 TLS not available"),
		"handshake":  {tls: weak(t, newAuthority(t))},
	} {
		h := host.start(t, "127.0.0.11", "0")
		n := newNetwork(t, 1, h.port())
		n.opts.Prober = &oracle{known: refused}
		r := report(t, n.opts, jobTo("a@dest.test"))
		if len(r.Evidence) != 1 || r.Evidence[0].Proven || r.Outcomes[0].TLS.Proven {
			t.Fatalf("%s: %+v, %+v", name, r.Evidence, r.Outcomes)
		}
		if e := r.Evidence[0]; name == "handshake" && !e.Probed.IsZero() {
			t.Errorf("%s: offers %q", name, e.Offers)
		}
	}
}

// A host that refuses STARTTLS to a probe, too, is proven to if it says that this is for good.
func TestEvidenceOfRefusal(t *testing.T) {
	for reply, proven := range map[string]bool{"502 5.5.1 not implemented": true, "454 4.7.0 TLS not available": false} {
		host := refusing(reply).start(t, "127.0.0.11", "0")
		n := newNetwork(t, 1, host.port())
		target := probe.Target{Addr: netip.MustParseAddrPort(host.addr), Name: "mx1.dest.test", Anywhere: true}
		o := &oracle{known: probe.New(probe.Options{Open: New(n.opts).Reach, Now: time.Now}).Probe(t.Context(), target)}
		n.opts.Prober = o
		r := report(t, n.opts, jobTo("a@dest.test"))
		want(t, r.Outcomes[0], "deferred starttls-refused 4.7.4")
		e := r.Evidence[0]
		if e.Proven != proven || r.Outcomes[0].TLS.Proven != proven || e.Probed.IsZero() == proven || e.Offers != "" || o.doubts != 0 {
			t.Errorf("%s: %+v, %d doubts", reply, e, o.doubts)
		}
	}
}

// What was proven stays so for a while when the probe is forgotten, unless attempts fail in another way.
func TestProofOutlivesTheProbe(t *testing.T) {
	host := (&mx{tls: weak(t, newAuthority(t))}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, host.port())
	o := &oracle{}
	n.opts.Prober = o
	for _, tc := range []struct {
		name   string
		before queue.Evidence
		want   string
		proven bool
	}{
		{"a while ago", queue.Evidence{Remote: host.addr, Cause: "tls-version", Needed: "1.2", Proven: true, Probed: time.Now().Add(-8 * time.Hour)},
			"deferred tls-version 4.7.5", true},
		{"for a higher floor", queue.Evidence{Remote: host.addr, Cause: "tls-version", Needed: "1.3", Proven: true, Probed: time.Now()},
			"deferred tls-handshake 4.7.5", false},
		{"days ago", queue.Evidence{Remote: host.addr, Cause: "tls-version", Needed: "1.2", Proven: true, Probed: time.Now().Add(-48 * time.Hour)},
			"deferred tls-handshake 4.7.5", false},
		{"not proven", queue.Evidence{Remote: host.addr, Cause: "tls-version", Needed: "1.2", Probed: time.Now()}, "deferred tls-handshake 4.7.5", false},
		{"elsewhere", queue.Evidence{Remote: "192.0.2.1:25", Cause: "tls-version", Needed: "1.2", Proven: true, Probed: time.Now()},
			"deferred tls-handshake 4.7.5", false},
	} {
		job := jobTo("a@dest.test")
		job.Item.Recipients[0].Evidence = []queue.Evidence{tc.before}
		asked := len(o.asked)
		r := report(t, n.opts, job)
		want(t, r.Outcomes[0], tc.want)
		if r.Outcomes[0].TLS.Proven != tc.proven || r.Evidence[0].Proven != tc.proven || len(o.asked) != asked+1 {
			t.Errorf("%s: %+v, asked %d times", tc.name, r.Evidence, len(o.asked)-asked)
		}
	}
}

// A probe that could not ask anything takes nothing away from the one before.
func TestProofOutlivesAProbeInVain(t *testing.T) {
	host := (&mx{tls: weak(t, newAuthority(t))}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, host.port())
	n.opts.Prober = &oracle{known: &probe.Result{Time: time.Now(), Trouble: "no answer in time"}}
	job := jobTo("a@dest.test")
	job.Item.Recipients[0].Evidence = []queue.Evidence{
		{Remote: host.addr, Cause: "tls-version", Needed: "1.2", Proven: true, Probed: time.Now().Add(-8 * time.Hour)},
	}
	r := report(t, n.opts, job)
	want(t, r.Outcomes[0], "deferred tls-version 4.7.5")
	if !r.Outcomes[0].TLS.Proven || !r.Evidence[0].Probed.IsZero() {
		t.Errorf("%+v", r)
	}
}

// Where an attempt sees what the probe rules out, there is a new probe, unless the last one is fresh.
func TestContradictionIsLookedInto(t *testing.T) {
	host := (&mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS10, tls.VersionTLS11)}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, host.port())
	repaired := oldOnly()
	repaired.Versions[3].Offered = probe.Yes
	for _, tc := range []struct {
		known         *probe.Result
		stale         bool
		doubts, asked int
	}{{oldOnly(), true, 0, 0}, {repaired, true, 1, 1}, {repaired, false, 1, 0}} {
		o := &oracle{known: tc.known, stale: tc.stale}
		n.opts.Prober = o
		r := report(t, n.opts, jobTo("a@dest.test"))
		want(t, r.Outcomes[0], "deferred tls-version 4.7.5")
		if o.doubts != tc.doubts || len(o.asked) != tc.asked || r.Outcomes[0].TLS.Proven != (tc.doubts == 0) {
			t.Errorf("%d doubts, asked %d times, %+v", o.doubts, len(o.asked), r.Evidence)
		}
	}
}

// A probe that could not ask anything proves nothing; one that finds no STARTTLS agrees with an attempt that found none.
func TestProbeWithoutAnswers(t *testing.T) {
	host := (&mx{}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, host.port())
	for _, tc := range []struct {
		known  *probe.Result
		proven bool
	}{
		{&probe.Result{Time: time.Now(), Trouble: "connection refused"}, false},
		{&probe.Result{Time: time.Now(), Trouble: "STARTTLS is not offered", STARTTLS: probe.No}, true},
	} {
		n.opts.Prober = &oracle{known: tc.known}
		r := report(t, n.opts, jobTo("a@dest.test"))
		want(t, r.Outcomes[0], "deferred starttls-not-offered 4.7.4")
		if e := r.Evidence[0]; e.Proven != tc.proven || e.Probed.IsZero() == tc.proven || r.Outcomes[0].TLS.Proven != tc.proven {
			t.Errorf("%s: %+v", tc.known.Trouble, e)
		}
	}
}

// Where a probe found no version, it says that there is none only if the server refused each of them for being what it is.
func TestProbeThatFindsNoVersion(t *testing.T) {
	host := (&mx{tls: weak(t, newAuthority(t))}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, host.port())
	for answer, says := range map[probe.Answer]bool{probe.No: true, probe.Unknown: false} {
		n.opts.Prober = &oracle{known: &probe.Result{
			Time: time.Now(), STARTTLS: probe.Yes,
			Versions: []probe.Version{{Version: tlspolicy.TLS12, Offered: answer}, {Version: tlspolicy.TLS13, Offered: probe.No}},
		}}
		e := report(t, n.opts, jobTo("a@dest.test")).Evidence[0]
		if e.Cause != "tls-handshake" || e.Proven || e.Probed.IsZero() == says || e.Offers != "" {
			t.Errorf("TLS 1.2 is %d: %+v", answer, e)
		}
	}
}

// Whatever a probe has found, no mail goes in clear text after TLS failed, and mail that goes well asks nobody.
func TestProbeNeverMakesLessDo(t *testing.T) {
	bad := (&mx{tls: weak(t, newAuthority(t))}).start(t, "127.0.0.11", "0")
	plain := (&mx{}).start(t, "127.0.0.12", bad.port())
	n := newNetwork(t, 2, bad.port()).opportunistic()
	for _, known := range []*probe.Result{nil, oldOnly(), {Time: time.Now(), STARTTLS: probe.No, Trouble: "STARTTLS is not offered"}} {
		n.opts.Prober = &oracle{known: known}
		r := report(t, n.opts, jobTo("a@dest.test"))
		if o := r.Outcomes[0]; o.Result != queue.ResultDeferred || !o.TLS.Broken {
			t.Errorf("%+v", o)
		}
		if len(r.Evidence) != 2 {
			t.Errorf("evidence %+v", r.Evidence)
		}
	}
	noMailInClear(t, bad, plain)

	o := &oracle{}
	good := newNetwork(t, 1, (&mx{}).start(t, "127.0.0.11", "0").port()).opportunistic()
	good.opts.Prober = o
	if r := report(t, good.opts, jobTo("a@dest.test")); r.Outcomes[0].Result != queue.ResultDelivered || r.Evidence != nil {
		t.Errorf("%+v", r)
	}
	if o.looked != 0 || len(o.asked) != 0 {
		t.Errorf("looked %d times, asked %v", o.looked, o.asked)
	}
}

func TestEvidenceOfACertificate(t *testing.T) {
	ca := newAuthority(t)
	host := (&mx{tls: ca.server(t, "other.test", 0, 0)}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, host.port())
	n.opts.Policy = &tlspolicy.Policy{Default: tlspolicy.Rule{Level: tlspolicy.Verified}, Roots: ca.pool()}
	r := report(t, n.opts, jobTo("a@dest.test"))
	want(t, r.Outcomes[0], "deferred certificate-name 4.7.5")
	if e := r.Evidence[0]; e.Cause != "certificate-name" || e.Certificate.Names != "other.test" ||
		e.Certificate.NotAfter.IsZero() {
		t.Errorf("%+v", e)
	}
	n.opts.Prober = &oracle{known: oldOnly()} // saw the certificate before that
	if e := report(t, n.opts, jobTo("a@dest.test")).Evidence[0]; e.Certificate.Names != "other.test" || e.Probed.IsZero() {
		t.Errorf("beside a probe: %+v", e)
	}
}

// A common name is told apart from names that count.
func TestEvidenceOfACommonName(t *testing.T) {
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "mx1.dest.test"}, NotAfter: time.Now()}
	if names := factsOfX509(c).Names; names != "CN=mx1.dest.test" {
		t.Errorf("names %q", names)
	}
}

// The trial of an address asks what an attempt would: the terms of a route, and of a login.
func TestTrial(t *testing.T) {
	n := newNetwork(t, 1, "25")
	n.opts.Policy = &tlspolicy.Policy{Domains: []tlspolicy.Rule{{Domain: "strict.test", Level: tlspolicy.Verified, Floor: tlspolicy.TLS13}}}
	n.opts.Routes = []Route{{Domain: "smart.test", Hosts: []string{"smart.example:465"}, Username: "relay"}}
	d := New(n.opts)
	for _, tc := range []struct {
		destination, host, remote, want string
	}{
		{"dest.test", "mx1.dest.test", "192.0.2.1:25", "{192.0.2.1:25 mx1.dest.test false false} required/1.2"},
		{"strict.test", "mx1.dest.test", "[2001:db8::1]:25", "{[2001:db8::1]:25 mx1.dest.test false false} verified/1.3"},
		{"smart.test", "smart.example", "192.0.2.1:465", "{192.0.2.1:465 smart.example true true} verified/1.2"},
		{"smart.test", "mx.example", "192.0.2.1:25", ""}, // of a time before the route
		{"dest.test", "mx1.dest.test", "", ""},
	} {
		got := ""
		if target, decision, ok := d.Trial(tc.destination, tc.host, tc.remote); ok {
			got = fmt.Sprint(target) + " " + decision.Key()
		}
		if got != tc.want {
			t.Errorf("%s at %s: %q, want %q", tc.destination, tc.remote, got, tc.want)
		}
	}
}
