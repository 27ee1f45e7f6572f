//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/system"
)

// books accounts for the messages of a run: what was acknowledged must be there, once.
type books struct {
	Sent         int            `json:"sent"`
	Acknowledged int            `json:"acknowledged"`
	Unknown      int            `json:"unknown,omitempty"` // sent whole, but the connection broke before an answer
	Refused      map[string]int `json:"refused,omitempty"` // by stage and reply code
	Queued       int            `json:"queued"`
	Deferred     int            `json:"deferred,omitempty"`   // of those: tried in vain, with a cause
	Missing      []string       `json:"missing,omitempty"`    // acknowledged IDs that are not in the queue
	Duplicates   []string       `json:"duplicates,omitempty"` // IDs that are in the queue, but that nobody was told, or twice

	excused int      // messages that were meant to stay without an answer
	ids     []string // that were acknowledged
	named   int      // how many those are, once they were compared
	numbers []int    // the acknowledged messages, as the load counts them
}

// add books what a load came to.
func (b *books) add(r *load.Result) {
	b.merge(&books{
		Sent: r.Sent, Acknowledged: r.Acknowledged, Unknown: r.Unknown, Refused: r.Refused, ids: r.IDs(), numbers: r.Numbers(),
	})
}

// merge adds other books.
func (b *books) merge(o *books) {
	b.Sent += o.Sent
	b.Acknowledged += o.Acknowledged
	b.Unknown += o.Unknown
	b.Queued += o.Queued
	b.Deferred += o.Deferred
	b.named += o.named
	b.excused += o.excused
	for why, n := range o.Refused {
		if b.Refused == nil {
			b.Refused = map[string]int{}
		}
		b.Refused[why] += n
	}
	b.Missing = append(b.Missing, o.Missing...)
	b.Duplicates = append(b.Duplicates, o.Duplicates...)
	b.ids = append(b.ids, o.ids...)
	b.numbers = append(b.numbers, o.numbers...)
}

// compare reads the queue of the system.
func (b *books) compare(ctx context.Context, s system.System) error {
	var queued []string
	err := s.Queue(ctx, func(m system.Queued) error {
		queued = append(queued, m.ID)
		if m.Deferred {
			b.Deferred++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the queue of %s: %w", s.Name(), err)
	}
	b.Queued = len(queued)
	slices.Sort(queued)
	slices.Sort(b.ids)
	b.Missing, b.Duplicates = differ(b.ids, queued)
	b.named, b.ids = len(b.ids), nil
	return nil
}

// differ compares sorted lists: what of a is not in b, and what b has more than a.
func differ(a, b []string) (missing, more []string) {
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			missing, a = append(missing, a[0]), a[1:]
		case len(a) == 0 || b[0] < a[0]:
			more, b = append(more, b[0]), b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return missing, more
}

// problem says what does not add up, or nil. A message without an answer may be there or not.
func (b *books) problem() error {
	refused := 0
	for _, n := range b.Refused {
		refused += n
	}
	switch {
	case len(b.Missing) > 0:
		return fmt.Errorf("%d acknowledged messages are lost: %s", len(b.Missing), some(b.Missing))
	case len(b.Duplicates) > b.Unknown:
		return fmt.Errorf("%d messages are in the queue that were not acknowledged: %s", len(b.Duplicates), some(b.Duplicates))
	case b.named != b.Acknowledged:
		return fmt.Errorf("%d messages were acknowledged, but only %d with an ID", b.Acknowledged, b.named)
	case b.Sent != b.Acknowledged+refused+b.Unknown:
		return fmt.Errorf("%d messages were sent, but %d acknowledged, %d refused and %d left without an answer",
			b.Sent, b.Acknowledged, refused, b.Unknown)
	case refused+b.Unknown > b.excused:
		return fmt.Errorf("of %d messages %d were refused or not answered: %v", b.Sent, refused+b.Unknown, b.Refused)
	}
	return nil
}

// some gives the first few of a list.
func some[T any](list []T) string {
	const few = 10
	if len(list) <= few {
		return fmt.Sprint(list)
	}
	return fmt.Sprintf("%v and %d more", list[:few], len(list)-few)
}
