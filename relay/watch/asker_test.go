package watch

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tlsrelay/tlspolicy/probe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slow is a Prober that takes a second for each probe.
type slow struct {
	mu     sync.Mutex
	probed map[probe.Target]int
	now    int // under way
	most   int
}

func (p *slow) Known(probe.Target) (*probe.Result, bool) { return nil, false }
func (p *slow) Doubt(probe.Target) bool                  { return false }

func (p *slow) Probe(ctx context.Context, t probe.Target) *probe.Result {
	p.mu.Lock()
	p.probed[t]++
	p.now++
	p.most = max(p.most, p.now)
	p.mu.Unlock()
	pause(ctx, time.Second)
	p.mu.Lock()
	p.now--
	p.mu.Unlock()
	return &probe.Result{}
}

func target(n int) probe.Target {
	return probe.Target{Addr: netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:%d", n%200, 25+n/200)), Name: "mx.test"}
}

func TestAskerProbesInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &slow{probed: map[probe.Target]int{}}
		a := NewAsker(p)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { a.Run(ctx); close(ended) }()
		for range 3 { // the same ones again and again
			for n := range 20 {
				a.Ask(target(n))
			}
		}
		time.Sleep(10 * time.Second)
		p.mu.Lock()
		for n := range 20 {
			if p.probed[target(n)] != 1 {
				t.Errorf("target %d was probed %d times", n, p.probed[target(n)])
			}
		}
		if p.most != askers {
			t.Errorf("%d probes at once", p.most)
		}
		p.mu.Unlock()
		a.Ask(target(0))
		time.Sleep(2 * time.Second)
		p.mu.Lock()
		if p.probed[target(0)] != 2 {
			t.Error("a target is asked for once and never again")
		}
		p.mu.Unlock()
		a.Ask(target(1))
		stop()
		<-ended
	})
}

func TestAskerIsBounded(t *testing.T) {
	a := NewAsker(&slow{probed: map[probe.Target]int{}})
	for n := range 3 * maxAsked {
		a.Ask(target(n)) // nobody works: it must not wait
	}
	if len(a.asked) != maxAsked || len(a.waiting) != maxAsked {
		t.Errorf("%d targets wait, %d are remembered", len(a.asked), len(a.waiting))
	}
}
