package watch

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"time"

	"tlsrelay/relay/party"
	"tlsrelay/tlspolicy/probe"
)

const (
	maxAsked = 1000 // probes that wait; who asks for more will do so again after the next attempt
	askers   = 4    // probes at once

	// One party gets a probe so often, and so many at first: whoever has names for hosts lets them lead to whom he likes.
	probeEvery = 15 * time.Minute
	probeBurst = 10
	maxParties = 10_000 // remembered
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
	waiting map[probe.Target]struct{}  // or under way
	paid    map[netip.Prefix]time.Time // until when the probes of a party have its share, one each probeEvery
}

// NewAsker makes an Asker; Run makes it work.
func NewAsker(p Prober) *Asker {
	return &Asker{prober: p, asked: make(chan probe.Target, maxAsked), waiting: make(map[probe.Target]struct{}),
		paid: make(map[netip.Prefix]time.Time)}
}

// Known gives what is known about a target by now.
func (a *Asker) Known(t probe.Target) (*probe.Result, bool) { return a.prober.Known(t) }

// Doubt has what is known about a target forgotten, unless that is fresh.
func (a *Asker) Doubt(t probe.Target) bool { return a.prober.Doubt(t) }

// Ask has a target probed soon, unless too many are waiting, or its address had more than its share. It returns at once.
func (a *Asker) Ask(t probe.Target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, waits := a.waiting[t]; waits {
		return
	}
	who, now := party.Of(t.Addr.Addr()), time.Now() // which knows of no clock that is set
	if len(a.paid) >= maxParties {
		maps.DeleteFunc(a.paid, func(_ netip.Prefix, until time.Time) bool { return !until.After(now) })
	}
	until := a.paid[who]
	if until.IsZero() && len(a.paid) >= maxParties || until.Sub(now) > (probeBurst-1)*probeEvery {
		return
	}
	select {
	case a.asked <- t:
		a.waiting[t] = struct{}{}
		if until.Before(now) {
			until = now
		}
		a.paid[who] = until.Add(probeEvery)
	default:
	}
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
