package watch

import (
	"container/heap"
	"context"
	"net/netip"
	"sync"
	"time"

	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

const (
	tick    = 250 * time.Millisecond // between the beginnings of two trials
	idle    = time.Minute            // until the clock is looked at when nothing is due; it may have been set
	atOnce  = 16                     // trials
	tryTime = 2 * time.Minute        // for one
)

// Run watches until ctx ends. It begins with the mail that is in the store.
func (w *Watch) Run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { w.load(ctx) })
	parts.Go(func() { w.tend(ctx) })

	room := make(chan struct{}, atOnce)
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case room <- struct{}{}:
			if s := w.next(); s != nil {
				parts.Go(func() { w.try(ctx, s); <-room })
			} else {
				<-room
			}
		default:
		}
		timer.Reset(w.sleep())
	}
}

// sleep is the time to the next trial.
func (w *Watch) sleep() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.due) == 0 {
		return idle
	}
	return min(max(w.due[0].at.Sub(w.opts.Now()), tick), idle)
}

// next takes the server that is to be tried now, nil if there is none. Those of a party that was tried in vain a moment ago have
// to wait.
func (w *Watch) next() *server {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.opts.Now()
	for len(w.due) > 0 && !w.due[0].at.After(now) {
		s := w.due[0]
		w.due.remove(s)
		until, known := w.rests[s.party()]
		if until.After(now) && until.Sub(now) <= partyPause { // or else the clock was set back
			s.at = until
			w.due.add(s)
			continue
		}
		if !known || !until.IsZero() {
			w.rests[s.party()] = now.Add(partyPause)
		}
		s.trying = true
		return s
	}
	return nil
}

// hurry ends the rest of a party, one of whose servers passed: the others may well be mended, too.
func (w *Watch) hurry(who netip.Prefix) {
	if until, known := w.rests[who]; known && until.IsZero() {
		return
	}
	w.rests[who] = time.Time{}
	for _, s := range w.due {
		if s.party() == who && s.since.Before(s.at) {
			s.at = s.since
		}
	}
	heap.Init(&w.due)
}

// try makes one trial, and arranges for the next if it fails.
func (w *Watch) try(ctx context.Context, s *server) {
	target, decision, ok := w.terms(s)
	if !ok {
		w.drop(s)
		return
	}
	within, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	err := w.opts.Try(within, target, decision)

	w.mu.Lock()
	defer w.mu.Unlock()
	s.trying = false
	switch {
	case len(s.destinations) == 0: // meanwhile
		w.forget(s)
	case err != nil:
		w.rests[s.party()] = w.opts.Now().Add(partyPause)
		w.schedule(s, w.opts.Now(), nextPause)
	default:
		s.passes++
		w.hurry(s.party())
		s.until = w.opts.Now().Add(memory)
		w.mended = append(w.mended, s)
		w.wake()
	}
}

// wake has tend look at the queue.
func (w *Watch) wake() {
	select {
	case w.passed <- struct{}{}:
	default: // it will already
	}
}

// terms gives what to ask of a server; false if that is not what it was any more: routes or the policy have changed.
func (w *Watch) terms(s *server) (probe.Target, tlspolicy.Decision, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for destination := range s.destinations { // for all of them it is the same
		target, decision, ok := w.opts.Trial(destination, s.host, s.remote)
		return target, decision, ok && s.key == key{target, decision.Key()}
	}
	return probe.Target{}, tlspolicy.Decision{}, false
}

// drop forgets a server. Attempts will bring it back if need be.
func (w *Watch) drop(s *server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.trying, s.until = false, time.Time{}
	for destination := range s.destinations {
		w.unwatch(s, destination)
	}
	w.forget(s)
}
