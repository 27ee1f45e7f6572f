package watch

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"tlsrelay/tlspolicy/probe"
)

const (
	maxAsked = 1000 // probes that wait; who asks for more will do so again after the next attempt
	askers   = 4    // probes at once

	// Anyone can have many names point to somebody's address, and each name needs a probe of its own.
	perAddress = 20 // probes
	inTime     = time.Hour
)

// Prober asks servers.
type Prober interface {
	Known(probe.Target) (*probe.Result, bool)
	Probe(context.Context, probe.Target) *probe.Result
	Doubt(probe.Target) bool
}

// Asker has servers probed in the background. It is the delivery's way to a [probe.Prober].
type Asker struct {
	prober Prober
	asked  chan probe.Target

	mu      sync.Mutex
	waiting map[probe.Target]struct{} // or under way
	begun   map[netip.Addr]int        // probes of an address since the hour began
	hour    time.Time                 // when it did
}

// NewAsker makes an Asker; Run makes it work.
func NewAsker(p Prober) *Asker {
	return &Asker{prober: p, asked: make(chan probe.Target, maxAsked), waiting: make(map[probe.Target]struct{}), begun: make(map[netip.Addr]int)}
}

// Known gives what is known about a target by now.
func (a *Asker) Known(t probe.Target) (*probe.Result, bool) { return a.prober.Known(t) }

// Doubt has what is known about a target forgotten, unless that is fresh.
func (a *Asker) Doubt(t probe.Target) bool { return a.prober.Doubt(t) }

// Ask has a target probed soon, unless too many are waiting. It returns at once.
func (a *Asker) Ask(t probe.Target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, waits := a.waiting[t]; waits || !a.mayProbe(t.Addr.Addr()) {
		return
	}
	select {
	case a.asked <- t:
		a.waiting[t] = struct{}{}
		a.begun[t.Addr.Addr()]++
	default:
	}
}

// mayProbe reports whether an address has not been probed too often. It needs the lock.
func (a *Asker) mayProbe(addr netip.Addr) bool {
	if now := time.Now(); now.Sub(a.hour) >= inTime {
		a.hour = now
		clear(a.begun)
	}
	return a.begun[addr] < perAddress
}

// Run probes until ctx ends.
func (a *Asker) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range askers {
		workers.Go(func() { a.work(ctx) })
	}
	workers.Wait()
}

func (a *Asker) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-a.asked:
			a.prober.Probe(ctx, t)
			a.mu.Lock()
			delete(a.waiting, t)
			a.mu.Unlock()
		}
	}
}
