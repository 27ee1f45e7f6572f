//go:build linux

package main

import (
	"testing"
	"time"
)

func TestWaits(t *testing.T) {
	begin := time.Now()
	after := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	c := &course{got: newArrivals(func(n int) bool { return n != 9 }), acked: map[int]time.Time{}}
	for n, ms := range map[int]int{1: 10, 2: 20, 3: 30, 4: -1, 9: 1000} { // 4 came before its 250 was read
		c.acked[n] = begin
		c.got.add(message(n, after(ms)))
	}
	c.acked[5] = begin // never came
	l := &leg{numbers: []int{1, 2, 3, 4, 5, 9}}
	if w := c.waits(l); w != (waits{Messages: 4, P50: 10, P99: 20, Max: 30}) {
		t.Errorf("%+v", w)
	}
	if first, last := c.span(l); !first.Equal(after(-1)) || !last.Equal(after(1000)) {
		t.Errorf("from %v to %v", first.Sub(begin), last.Sub(begin))
	}
	if w := waitsOf(nil); w != (waits{}) {
		t.Errorf("without messages: %+v", w)
	}
}
