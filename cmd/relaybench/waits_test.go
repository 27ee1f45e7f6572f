//go:build linux

package main

import (
	"strings"
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

// testTable runs a command and looks for a row and the books in what it prints.
func testTable(t *testing.T, args, want string) {
	t.Helper()
	flags := append(strings.Fields(args), "--tlsrelay", relayProgram(t), "--dir", scratch(t), "--any-medium")
	code, out, errOut := command(t, flags...)
	if code != 0 || !strings.Contains(out, want) || !strings.Contains(out, "missing 0, duplicates 0, left in the queue ") {
		t.Errorf("exit code %d, and the output lacks %q:\n%s%s", code, want, out, errOut)
	}
}

// testBounds runs a command whose bounds cannot hold: the report is there, and the exit code says so.
func testBounds(t *testing.T, args string, want ...string) {
	t.Helper()
	flags := append(strings.Fields(args), "--tlsrelay", relayProgram(t), "--dir", scratch(t), "--any-medium", "--json")
	code, out, errOut := command(t, flags...)
	for _, text := range want {
		if code != 1 || !strings.Contains(errOut, text) || !strings.Contains(out, text) || strings.Contains(errOut, "percentile in ms") {
			t.Errorf("exit code %d, and the output lacks %q:\n%s%s", code, text, out, errOut)
		}
	}
}
