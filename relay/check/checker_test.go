package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// crowd is a world of domains with many hosts with many addresses, all good.
func crowd(domains, hosts, addrs int) (*world, []Target) {
	w := &world{hops: map[string][]delivery.Hop{}, addrs: map[string][]string{}, probed: map[string]*probe.Result{}}
	var targets []Target
	for d := range domains {
		domain := fmt.Sprintf("d%d.example", d)
		targets = append(targets, Target{Text: domain, Domain: domain})
		for h := range hosts {
			name := fmt.Sprintf("mx%02d.%s", hosts-h, domain)
			w.hops[domain] = append(w.hops[domain], mx(10, name))
			for a := range addrs {
				addr := fmt.Sprintf("10.%d.%d.%d", d, h, addrs-a)
				w.addrs[name] = append(w.addrs[name], addr)
				w.probed[addr] = offers(tlspolicy.TLS12, tlspolicy.TLS13)
			}
		}
	}
	return w, targets
}

// TestBounds: so many hosts and addresses, so many at once; reports come in order, hosts and addresses too.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, targets := crowd(9, 12, 6)
		var mu sync.Mutex
		now, most, asked := 0, 0, 0
		w.wait = func(context.Context) {
			mu.Lock()
			now++
			asked++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
		}
		c := w.checker()
		var order []string
		err := c.Check(t.Context(), targets, func(r *Report) error {
			order = append(order, r.Target.Text)
			if len(r.Hosts) != maxHosts || r.LeftOut != 2 || r.Hosts[0].Name >= r.Hosts[1].Name {
				t.Errorf("%s: %d hosts, %d left out", r.Target.Text, len(r.Hosts), r.LeftOut)
			}
			for _, h := range r.Hosts {
				if len(h.Addresses) != maxAddresses || h.LeftOut != 2 || !slices.IsSortedFunc(h.Addresses, func(a, b Address) int { return a.Addr.Compare(b.Addr) }) {
					t.Errorf("%s: %d addresses, %d left out", h.Name, len(h.Addresses), h.LeftOut)
				}
			}
			return nil
		})
		if err != nil || !slices.IsSorted(order) || len(order) != len(targets) {
			t.Errorf("%v, %v", order, err)
		}
		if want := 9 * maxHosts * maxAddresses; most != AddressesAtOnce || asked != want {
			t.Errorf("%d at once, %d in all, want %d", most, asked, want)
		}
		if asked, all := c.Progress(); asked != all || all != 9*maxHosts*maxAddresses {
			t.Errorf("progress %d of %d", asked, all)
		}
		var b strings.Builder
		c.Check(t.Context(), targets[:1], func(r *Report) error { return Table(&b, r, Style{}) })
		for _, want := range []string{"\n     2 more addresses were not asked\n", "\n  2 more hosts were not asked\n"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%q is not in\n%s", want, b.String())
			}
		}
	})
}

// TestSlow: an address that takes too long is given up, and says so.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := crowd(1, 1, 1)
		w.wait = func(ctx context.Context) { <-ctx.Done() }
		start := time.Now()
		r := w.check(t, "d0.example")
		if a := r.Hosts[0].Addresses[0]; time.Since(start) != time.Minute || a.short() != "not known: time is over" || a.Verdict.Detail != "its answers took longer than 1 minute" {
			t.Errorf("%s after %v", a.short(), time.Since(start))
		}
		if r.Summary.Delivered || r.Summary.Cause != queue.ConnectionTimeout.Key || len(r.Late()) != 1 || r.Late()[0].String() != "10.0.0.1:25" {
			t.Errorf("%+v, late: %v", r.Summary, r.Late())
		}
	})
}

// TestSlowHandshake: where the time ends behind the probe, what it proved stands, and all else is open.
func TestSlowHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := crowd(1, 1, 2)
		w.probed["10.0.0.1"] = offers(tlspolicy.TLS10, tlspolicy.TLS10)
		w.wait = func(ctx context.Context) { time.Sleep(59 * time.Second) }
		w.slowTry = true
		r := w.check(t, "d0.example")
		if old, good := r.Hosts[0].Addresses[0], r.Hosts[0].Addresses[1]; old.Late || old.Verdict.Cause != tlspolicy.VersionBelowFloor.Key ||
			!good.Late || good.Verdict.Passes || versionsCell(good.Result) != "1.2 1.3" {
			t.Errorf("%+v, %+v", old, good)
		}
	})
}

// TestStop: the end of the context, or an error of the reader, ends all.
func TestStop(t *testing.T) {
	w, targets := crowd(20, 10, 4)
	w.wait = func(ctx context.Context) { <-ctx.Done() }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := w.checker().Check(ctx, targets, func(*Report) error { t.Error("a report"); return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	w.wait = nil
	full := errors.New("disk full")
	if err := w.checker().Check(t.Context(), targets, func(*Report) error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
}

// seen keeps what the prober was asked.
type seen struct {
	*world
	mu      sync.Mutex // hosts are asked at once
	targets []probe.Target
	floors  []tlspolicy.Version
}

func (s *seen) Probe(ctx context.Context, t probe.Target) *probe.Result {
	s.mu.Lock()
	s.targets = append(s.targets, t)
	s.mu.Unlock()
	return s.world.Probe(ctx, t)
}

func (s *seen) Try(ctx context.Context, t probe.Target, d tlspolicy.Decision) error {
	s.mu.Lock()
	s.floors = append(s.floors, d.Floor)
	s.mu.Unlock()
	return s.world.Try(ctx, t, d)
}

// TestWhatIsAsked: a named server may be anywhere, an MX host may not; the policy is that of the domain, or of the server's name.
func TestWhatIsAsked(t *testing.T) {
	w := &world{
		policy: tlspolicy.Policy{Domains: []tlspolicy.Rule{{Domain: "example.org", Floor: tlspolicy.TLS13}, {Domain: "mx.example.net", Floor: tlspolicy.TLS13}}},
		hops: map[string][]delivery.Hop{"example.org": {mx(10, "mx.example.net")}, "routed.example": {
			{Name: "smart.example", Port: 465, Routed: true, ImplicitTLS: true}}},
		addrs:  map[string][]string{"mx.example.net": {"192.0.2.1"}, "smart.example": {"192.0.2.1"}, "192.0.2.1": {"192.0.2.1"}},
		probed: map[string]*probe.Result{"192.0.2.1": offers(tlspolicy.TLS13, tlspolicy.TLS13)},
	}
	for target, want := range map[string]string{
		"example.org":        "192.0.2.1:25 mx.example.net anywhere=false implicit=false floor=1.3",
		"mx.example.net:587": "192.0.2.1:587 mx.example.net anywhere=true implicit=false floor=1.3",
		"192.0.2.1":          "192.0.2.1:25 192.0.2.1 anywhere=true implicit=false floor=1.2",
		"routed.example":     "192.0.2.1:465 smart.example anywhere=true implicit=true floor=1.2",
		"192.0.2.1:465":      "192.0.2.1:465 192.0.2.1 anywhere=true implicit=true floor=1.2",
	} {
		s := &seen{world: w}
		c := w.checker()
		c.o.Prober = s
		parsed, err := ParseTarget(target, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Check(t.Context(), []Target{parsed}, func(*Report) error { return nil }); err != nil {
			t.Fatal(err)
		}
		p := s.targets[0]
		if got := fmt.Sprintf("%v %s anywhere=%v implicit=%v floor=%v", p.Addr, p.Name, p.Anywhere, p.Implicit, s.floors[0]); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

// TestNoHandshakeBelowTheFloor: what the probe proves is not tried.
func TestNoHandshakeBelowTheFloor(t *testing.T) {
	w := scenes()["all old"]
	s := &seen{world: w}
	c := w.checker()
	c.o.Prober = s
	c.Check(t.Context(), []Target{{Domain: "example.org"}}, func(*Report) error { return nil })
	if len(s.targets) != 2 || len(s.floors) != 0 {
		t.Errorf("probed %v, tried %v", s.targets, s.floors)
	}
}
