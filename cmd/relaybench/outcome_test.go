//go:build linux

package main

import (
	"errors"
	"testing"
)

func TestOutcome(t *testing.T) {
	var o outcome
	o.book("first", &tally{Sent: 2, Acknowledged: 2}, nil)
	o.fail(nil)
	if o.err != nil || o.Problem != "" {
		t.Errorf("a problem with nothing: %v, %q", o.err, o.Problem)
	}
	o.book("second", &tally{Sent: 3, Acknowledged: 3, Doubles: []int{7}}, errors.New("too slow"))
	o.fail(errors.New("and too dear"))
	const want = "second: 1 messages came to the sink twice: [7]\ntoo slow\nand too dear"
	if o.Problem != want || o.err == nil || o.err.Error() != want || o.Totals.Sent != 5 {
		t.Errorf("%+v", o)
	}
}
