package check

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is the time of all reports in tests.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a made-up Internet. It is Mail and Prober.
type world struct {
	policy  tlspolicy.Policy
	hops    map[string][]delivery.Hop
	none    map[string]queue.Outcome // of domains and of hosts
	addrs   map[string][]string
	probed  map[string]*probe.Result // by address
	tried   map[string]error
	stopped map[string]bool       // probes that last until their time is over
	wait    func(context.Context) // before each answer; nil: none

	slowTry bool // no handshake comes to an end
}

func (w *world) Hops(_ context.Context, domain string) ([]delivery.Hop, queue.Outcome) {
	return w.hops[domain], w.none[domain]
}

func (w *world) Addresses(_ context.Context, hop delivery.Hop) ([]netip.Addr, queue.Outcome) {
	var addrs []netip.Addr
	for _, a := range w.addrs[hop.Name] {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	if len(addrs) > 0 {
		return addrs, queue.Outcome{}
	}
	return nil, w.none[hop.Name]
}

func (w *world) Decide(domain string, hop delivery.Hop) tlspolicy.Decision {
	d := w.policy.Decide(domain, epoch)
	if hop.Login {
		d = d.Authenticated()
	}
	return d
}

func (w *world) Probe(ctx context.Context, t probe.Target) *probe.Result {
	if w.wait != nil {
		w.wait(ctx)
	}
	if ctx.Err() != nil {
		return &probe.Result{Target: t, Trouble: "stopped"}
	}
	if w.stopped[t.Addr.Addr().String()] {
		<-ctx.Done()
	}
	r := *w.probed[t.Addr.Addr().String()]
	r.Target, r.Time = t, epoch
	return &r
}

func (w *world) Try(ctx context.Context, t probe.Target, _ tlspolicy.Decision) error {
	if w.slowTry {
		<-ctx.Done()
		return ctx.Err()
	}
	return w.tried[t.Addr.Addr().String()]
}

func (w *world) checker() *Checker {
	return New(Options{
		Mail: w, Prober: w, Way: NewWay(nil), Port: 25, PerAddress: time.Minute, Lifetime: 72 * time.Hour, Now: func() time.Time { return epoch },
	})
}

// offers is the result of a host that offers the versions from oldest to newest, and no other.
func offers(oldest, newest tlspolicy.Version) *probe.Result {
	r := &probe.Result{STARTTLS: probe.Yes, BigHello: probe.Yes, PostQuantum: probe.No, Certificate: goodCertificate()}
	for v := tlspolicy.SSL30; v <= tlspolicy.TLS13; v++ {
		answer := probe.No
		if oldest <= v && v <= newest {
			answer = probe.Yes
		}
		r.Versions = append(r.Versions, probe.Version{Version: v, Offered: answer, Seen: "ServerHello"})
	}
	if newest == tlspolicy.TLS13 {
		r.PostQuantum = probe.Yes
	}
	return r
}

func goodCertificate() *probe.Certificate {
	return &probe.Certificate{
		Names: []string{"mx1.example.org", "mx2.example.org"}, Issuer: `CN=R11,O=Let's Encrypt,C=US`, Key: "ECDSA P-256",
		NotBefore: epoch.Add(-30 * 24 * time.Hour), NotAfter: epoch.Add(61 * 24 * time.Hour), Trusted: probe.Yes, Fits: probe.Yes,
	}
}

// with changes a result.
func with(r *probe.Result, change func(*probe.Result)) *probe.Result {
	change(r)
	return r
}

func mx(preference uint16, name string) delivery.Hop {
	return delivery.Hop{Name: name, Port: 25, Preference: preference}
}

// check gives the report on one target.
func (w *world) check(t *testing.T, target string) *Report {
	t.Helper()
	parsed, err := ParseTarget(target, false)
	if err != nil {
		t.Fatal(err)
	}
	var report *Report
	if err := w.checker().Check(t.Context(), []Target{parsed}, func(r *Report) error { report = r; return nil }); err != nil {
		t.Fatal(err)
	}
	return report
}
