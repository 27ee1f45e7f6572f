//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/sink"
	"tlsrelay/cmd/relaybench/system"
)

// message is number n as the sink tells it.
func message(n int, at time.Time) sink.Message {
	return sink.Message{Recipients: []string{load.Recipient(n, 3)}, ID: load.MessageID(n), At: at}
}

func TestArrivals(t *testing.T) {
	begin := time.Now()
	a := newArrivals(func(n int) bool { return n < 10 })
	for i, n := range []int{1, 2, 2, 12} {
		a.add(message(n, begin.Add(time.Duration(i))))
	}
	if n, last := a.here(); n != 2 || !last.Equal(begin.Add(1)) {
		t.Errorf("%d that matter have come, the last at %v", n, last.Sub(begin))
	}
	if n, _ := a.count(); n != 4 {
		t.Errorf("%d messages", n)
	}
	if at, came := a.at(2); !came || !at.Equal(begin.Add(1)) {
		t.Errorf("number 2: %v, %v; want its first copy", at.Sub(begin), came)
	}
	if got := fmt.Sprint(a.missing([]int{1, 2, 3, 12}), a.doubles(), a.problem()); got != "[3] [2] <nil>" {
		t.Errorf("missing, doubles, problem: %s", got)
	}
	mixed := message(4, begin)
	mixed.ID = load.MessageID(5)
	for _, m := range []sink.Message{mixed, {Recipients: []string{"who@else.test"}, ID: load.MessageID(1)}, {Recipients: []string{load.Recipient(6, 1)}}} {
		a := newArrivals(nil)
		if a.add(m); a.problem() == nil {
			t.Errorf("%+v is taken for a message of the load", m)
		}
	}
}

// shelf is a system of which only the queue matters.
type shelf struct {
	system.System
	recipients []string
}

func (s shelf) Queue(_ context.Context, each func(system.Queued) error) error {
	for _, r := range s.recipients {
		if err := each(system.Queued{ID: "x", Recipient: r}); err != nil {
			return err
		}
	}
	return nil
}

// TestAccount: of six acknowledged messages one came, one came twice, one is lost, one waits in vain, and two do not matter, of
// which one is lost, too.
func TestAccount(t *testing.T) {
	c := &course{
		sys: shelf{recipients: []string{load.Recipient(4, 3), load.Recipient(12, 3)}},
		got: newArrivals(func(n int) bool { return n < 10 }), acked: map[int]time.Time{},
	}
	for _, n := range []int{1, 2, 3, 4, 12, 13} {
		c.acked[n] = time.Now()
	}
	for _, n := range []int{1, 2, 2} {
		c.got.add(message(n, time.Now()))
	}
	if err := c.account(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Tally.Missing, c.Tally.Doubles, c.Tally.stuck, c.Tally.Left, c.Tally.Received); got != "[3 13] [2] [4] 1 3" {
		t.Errorf("missing, doubles, stuck, left, received: %s", got)
	}
}

func TestTally(t *testing.T) {
	for want, of := range map[string]tally{
		"":                                      {Sent: 3, Acknowledged: 3, Received: 3, Left: 1},
		"1 acknowledged messages are lost: [7]": {Sent: 3, Acknowledged: 3, Missing: []int{7}},
		"came to the sink twice: [7]":           {Sent: 3, Acknowledged: 3, Doubles: []int{7}},
		"should have been delivered: [7]":       {Sent: 3, Acknowledged: 3, stuck: []int{7}},
		"of 4 messages only 3 were":             {Sent: 3, Acknowledged: 2, Refused: map[string]int{"MAIL 451": 1}},
		"who is that":                           {Strange: "who is that"},
	} {
		var sum tally
		sum.merge(&tally{Sent: 1, Acknowledged: 1, Received: 1})
		sum.merge(&of)
		err := sum.problem()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("the problem is %v, want %q", err, want)
		}
	}
}
