package check

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// At the same time, whatever the number of targets.
const (
	targetsAtOnce   = 4
	AddressesAtOnce = 16 // of all targets
)

// Mail knows where mail goes, and what it asks for there: see [delivery.Deliverer].
type Mail interface {
	Hops(ctx context.Context, domain string) ([]delivery.Hop, queue.Outcome)
	Addresses(ctx context.Context, hop delivery.Hop) ([]netip.Addr, queue.Outcome)
	Decide(domain string, hop delivery.Hop) tlspolicy.Decision
}

// Prober asks servers about their TLS: see [probe.Prober].
type Prober interface {
	Probe(ctx context.Context, t probe.Target) *probe.Result
	Try(ctx context.Context, t probe.Target, d tlspolicy.Decision) error
}

// Options of a Checker.
type Options struct {
	Mail       Mail
	Prober     Prober
	Way        *Way          // on which the prober goes
	Port       uint16        // of MX hosts
	PerAddress time.Duration // the longest that one address may take
	Lifetime   time.Duration // for how long mail waits
	Now        func() time.Time
}

// Checker checks targets.
type Checker struct {
	o          Options
	slots      chan struct{} // one for each address that is being asked
	asked, all atomic.Int64
}

// New makes a Checker.
func New(o Options) *Checker { return &Checker{o: o, slots: make(chan struct{}, AddressesAtOnce)} }

// Progress gives how many addresses were asked, of how many that are known so far.
func (c *Checker) Progress() (asked, all int) { return int(c.asked.Load()), int(c.all.Load()) }

// Check checks the targets, several at the same time, and hands over the reports in the order of the targets. It ends early
// with an error of ctx or of each.
func (c *Checker) Check(ctx context.Context, targets []Target, each func(*Report) error) error {
	ctx, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	reports := make([]chan *Report, len(targets))
	for i := range reports {
		reports[i] = make(chan *Report, 1)
	}
	turns := make(chan struct{}, targetsAtOnce)
	work.Go(func() {
		for i, t := range targets {
			select {
			case turns <- struct{}{}:
			case <-ctx.Done():
				return
			}
			work.Go(func() {
				reports[i] <- c.check(ctx, t)
				<-turns
			})
		}
	})
	for _, r := range reports {
		select {
		case report := <-r:
			if ctx.Err() != nil { // then the report is of what was cut short
				return ctx.Err()
			}
			if err := each(report); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// check makes the report on one target.
func (c *Checker) check(ctx context.Context, t Target) *Report {
	r := &Report{Target: t}
	hops, none := c.hops(ctx, t)
	r.None = none
	if len(hops) > maxHosts {
		r.LeftOut = len(hops) - maxHosts
		hops = hops[:maxHosts]
	}
	decisions := make([]tlspolicy.Decision, len(hops))
	r.Hosts = make([]Host, len(hops))
	var work sync.WaitGroup
	for i, hop := range hops {
		decisions[i] = c.o.Mail.Decide(policyName(t), hop)
		work.Go(func() { r.Hosts[i] = c.host(ctx, hop, decisions[i]) })
	}
	work.Wait()
	if len(r.Hosts) == 1 && r.Hosts[0].None.Result == queue.ResultFailed { // neither MX nor addresses
		r.None, r.Hosts = r.Hosts[0].None, nil
	}
	first := c.o.Mail.Decide(policyName(t), delivery.Hop{})
	if len(hops) > 0 {
		first, r.Routed = decisions[0], t.Domain != "" && hops[0].Routed
	}
	r.Level, r.Floor = first.Level, first.Floor
	r.Time = c.o.Now()
	r.Summary = summarize(r, c.o.Lifetime)
	return r
}

// policyName is the domain whose policy holds: that of a server is the one for its own name.
func policyName(t Target) string { return cmp.Or(t.Domain, t.Host) }

// hops gives the hosts of a target, those of equal preference sorted by name.
func (c *Checker) hops(ctx context.Context, t Target) ([]delivery.Hop, queue.Outcome) {
	if t.Domain == "" {
		return []delivery.Hop{{
			Name: t.Host, Port: cmp.Or(t.Port, c.o.Port), Routed: true, ImplicitTLS: t.Implicit,
		}}, queue.Outcome{}
	}
	hops, none := c.o.Mail.Hops(ctx, t.Domain)
	slices.SortStableFunc(hops, func(a, b delivery.Hop) int {
		if a.Routed {
			return 0
		}
		return cmp.Or(cmp.Compare(a.Preference, b.Preference), cmp.Compare(a.Name, b.Name))
	})
	return hops, none
}

// host asks the addresses of one host.
func (c *Checker) host(ctx context.Context, hop delivery.Hop, d tlspolicy.Decision) Host {
	h := Host{
		Name: hop.Name, Port: hop.Port, Preference: hop.Preference, Implicit: hop.ImplicitTLS, MX: !hop.Routed && !hop.NoMX, NoMX: hop.NoMX,
	}
	addrs, none := c.o.Mail.Addresses(ctx, hop)
	h.None = none
	if len(addrs) > maxAddresses {
		h.LeftOut = len(addrs) - maxAddresses
		addrs = addrs[:maxAddresses]
	}
	slices.SortFunc(addrs, netip.Addr.Compare) // IPv4 first
	h.Addresses = make([]Address, len(addrs))
	c.all.Add(int64(len(addrs)))
	var work sync.WaitGroup
	for i, addr := range addrs {
		t := probe.Target{
			Addr: netip.AddrPortFrom(addr, hop.Port), Name: hop.Name, Implicit: hop.ImplicitTLS, Anywhere: hop.Routed,
		}
		work.Go(func() { h.Addresses[i] = c.address(ctx, t, d) })
	}
	work.Wait()
	return h
}

// address asks one address, when there is room.
func (c *Checker) address(ctx context.Context, t probe.Target, d tlspolicy.Decision) Address {
	defer c.asked.Add(1)
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.PerAddress)
	defer cancel()
	a := Address{Addr: t.Addr, Result: c.o.Prober.Probe(ctx, t)}
	certain := a.Result.STARTTLS == probe.No || a.Result.Refused || belowFloor(a.Result, d)
	var tried error
	if a.Result.Trouble == "" && !certain {
		tried = c.o.Prober.Try(ctx, t, d)
	}
	a.Verdict = judge(a.Result, d, tried, c.o.Way.trouble(t.Addr))
	if ctx.Err() != nil && !certain && !a.Verdict.Passes {
		a.Late = true
		a.Verdict = Verdict{Cause: queue.ConnectionTimeout.Key, Detail: "its answers took longer than " + duration(c.o.PerAddress)}
	}
	return a
}
