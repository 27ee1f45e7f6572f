//go:build linux

package main

import (
	"slices"
	"time"
)

// waits says how long messages took: where nothing else is said, from the 250 to their sender until the sink had answered 250
// to theirs.
type waits struct {
	Messages int     `json:"messages"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	Max      float64 `json:"max_ms"`
}

// waits sums up the messages of a leg that matter. A message that arrived before its sender's 250 was read has not waited.
func (c *course) waits(l *leg) waits {
	var took []time.Duration
	for _, n := range l.numbers {
		if at, came := c.got.at(n); came && c.got.matters(n) {
			took = append(took, max(0, at.Sub(c.acked[n])))
		}
	}
	return waitsOf(took)
}

func waitsOf(took []time.Duration) waits {
	if len(took) == 0 {
		return waits{}
	}
	slices.Sort(took)
	at := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
	return waits{len(took), at(0.5), at(0.99), at(1)}
}

// span gives when the first and the last message of a leg arrived.
func (c *course) span(l *leg) (first, last time.Time) {
	for _, n := range l.numbers {
		at, came := c.got.at(n)
		if came && (first.IsZero() || at.Before(first)) {
			first = at
		}
		last = later(last, at)
	}
	return first, last
}
