//go:build linux

package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/sink"
)

// arrivals is what a sink got, by the number of the message. That stands in the message and in its recipient's address, and both
// must agree.
type arrivals struct {
	matters func(number int) bool // which messages are waited for; nil: all

	mu       sync.Mutex
	first    map[int]time.Time // copies of each
	twice    []int
	strange  []string
	messages int
	awaited  int       // different ones that matter
	last     time.Time // of those
}

func newArrivals(matters func(int) bool) *arrivals {
	if matters == nil {
		matters = func(int) bool { return true }
	}
	return &arrivals{matters: matters, first: map[int]time.Time{}}
}

// add is what a sink calls.
func (a *arrivals) add(m sink.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.messages++
	for _, recipient := range m.Recipients {
		n := load.RecipientNumber(recipient)
		_, known := a.first[n]
		switch {
		case n < 0 || m.ID != load.MessageID(n):
			a.strange = append(a.strange, fmt.Sprintf("%q for <%s>", m.ID, recipient))
		case known:
			a.twice = append(a.twice, n)
		default:
			a.first[n] = m.At
			if a.matters(n) {
				a.awaited++
				a.last = later(a.last, m.At)
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// count gives the messages, copies included.
func (a *arrivals) count() (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.messages, nil
}

// here gives how many different messages of those that matter have come, and when the last of them did.
func (a *arrivals) here() (int, time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.awaited, a.last
}

// at says when a message came first.
func (a *arrivals) at(number int) (time.Time, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, came := a.first[number]
	return t, came
}

// missing gives those numbers that did not come.
func (a *arrivals) missing(numbers []int) (missing []int) {
	for _, n := range numbers {
		if _, came := a.at(n); !came {
			missing = append(missing, n)
		}
	}
	return missing
}

// doubles gives the messages that came more than once.
func (a *arrivals) doubles() []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(a.twice)))
}

// problem says whether the sink got what the load did not send.
func (a *arrivals) problem() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.strange) == 0 {
		return nil
	}
	return fmt.Errorf("the sink got %d messages that are none of this run's, or whose text is another's: %s", len(a.strange), some(a.strange))
}
