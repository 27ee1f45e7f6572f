//go:build linux

package main

import (
	"errors"
	"fmt"

	"tlsrelay/cmd/relaybench/load"
)

// tally accounts for the messages of a course: what was acknowledged must have come, once.
type tally struct {
	Sent         int            `json:"sent"`
	Acknowledged int            `json:"acknowledged"`
	Unknown      int            `json:"unknown,omitempty"`
	Refused      map[string]int `json:"refused,omitempty"` // by stage and reply code
	Received     int            `json:"received"`          // by the sink, copies included
	Left         int            `json:"left,omitempty"`    // in the queue at the end, where it is no problem
	Missing      []int          `json:"missing,omitempty"` // acknowledged, but neither in the sink nor in the queue
	Doubles      []int          `json:"doubles,omitempty"`
	Strange      string         `json:"strange,omitempty"`

	stuck []int // in the queue, but waited for
}

// add books what a load came to.
func (t *tally) add(r *load.Result) {
	t.Sent += r.Sent
	t.Acknowledged += r.Acknowledged
	t.Unknown += r.Unknown
	for why, n := range r.Refused {
		if t.Refused == nil {
			t.Refused = map[string]int{}
		}
		t.Refused[why] += n
	}
}

// problem says what does not add up, or nil.
func (t *tally) problem() error {
	switch {
	case len(t.Missing) > 0:
		return fmt.Errorf("%d acknowledged messages are lost: %s", len(t.Missing), some(t.Missing))
	case len(t.Doubles) > 0:
		return fmt.Errorf("%d messages came to the sink twice: %s", len(t.Doubles), some(t.Doubles))
	case len(t.stuck) > 0:
		return fmt.Errorf("%d messages are still in the queue that should have been delivered: %s", len(t.stuck), some(t.stuck))
	case t.Strange != "":
		return errors.New(t.Strange)
	case t.Acknowledged != t.Sent:
		return fmt.Errorf("of %d messages only %d were acknowledged (%d without an answer): %v", t.Sent, t.Acknowledged, t.Unknown, t.Refused)
	}
	return nil
}

// merge adds another tally.
func (t *tally) merge(o *tally) {
	t.add(&load.Result{Sent: o.Sent, Acknowledged: o.Acknowledged, Unknown: o.Unknown, Refused: o.Refused})
	t.Received += o.Received
	t.Left += o.Left
	t.Missing = append(t.Missing, o.Missing...)
	t.Doubles = append(t.Doubles, o.Doubles...)
	t.stuck = append(t.stuck, o.stuck...)
	if t.Strange == "" {
		t.Strange = o.Strange
	}
}

// String is a line of a report.
func (t *tally) String() string {
	return fmt.Sprintf("Sent %d, acknowledged %d, received %d; missing %d, duplicates %d, left in the queue %d.\n",
		t.Sent, t.Acknowledged, t.Received, len(t.Missing), len(t.Doubles), t.Left+len(t.stuck))
}
