//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"
)

func TestRelay(t *testing.T) {
	t.Parallel()
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		testRelay(t, []string{"tlsrelay"}, "--domains", "1,7")
	})
	t.Run("postfix", func(t *testing.T) {
		t.Parallel()
		postfix(t)
		testRelay(t, []string{"tlsrelay", "postfix"}, "--domains", "1,7", "--peer", "postfix")
	})
}

func testRelay(t *testing.T, systems []string, flags ...string) {
	const messages, clients = 100, 3
	var r relayReport
	small(t, &r, append([]string{"relay", "--messages", "100", "--size", "1000", "--clients", "3", "--rounds", "1"}, flags...)...)
	ways := []way{{true, 1}, {false, 1}, {true, 7}, {false, 7}}
	sent := (messages + warmUp(clients, messages)) * len(systems) * len(ways)
	if s := r.Totals; s.Sent != sent || s.Acknowledged != sent || s.Received != sent || s.Left != 0 {
		t.Errorf("%d messages were to be sent; the books say %+v", sent, s)
	}
	if len(r.Runs) != len(ways)*len(systems) || len(r.Ratios) != len(ways)*(len(systems)-1) {
		t.Fatalf("%d runs, %d ratios", len(r.Runs), len(r.Ratios))
	}
	for i, s := range r.Runs {
		if want := systems[i%len(systems)]; s.System != want || s.way != ways[i/len(systems)] {
			t.Errorf("run %d is of %s, %+v", i, s.System, s.way)
		}
		if s.PerSecond <= 0 || s.CPU <= 0 || s.BenchCPU <= 0 || s.Connections < int64(min(s.Domains, 2)) || s.Connections > int64(sent) {
			t.Errorf("these numbers cannot be: %+v", s)
		}
	}
}

func TestRelayBounds(t *testing.T) {
	t.Parallel()
	postfix(t)
	testBounds(t, "relay --messages 20 --rounds 1 --clients 2 --clear --pipelining --peer postfix --min-ratio 1000 --max-cpu-ratio 0.0001",
		"clear, 1 domains, divided by postfix: messages a second: ", "clear, 1 domains, divided by postfix: CPU time a message: ")
}

func TestRelayTable(t *testing.T) {
	t.Parallel()
	code, out, errOut := measure(t, "relay", "--messages", "20", "--rounds", "1", "--clients", "2", "--clear")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, errOut)
	}
	for _, want := range []string{"\n      1  clear  tlsrelay ", "received 22; missing 0, duplicates 0, left in the queue 0"} {
		if !strings.Contains(out, want) || strings.Contains(out, "TLS ") {
			t.Errorf("the output lacks %q, or has too much:\n%s", want, out)
		}
	}
}

func TestWays(t *testing.T) {
	for _, c := range []struct {
		cmd  relayCommand
		want []way
	}{
		{relayCommand{Domains: []int{1, 9}}, []way{{true, 1}, {false, 1}, {true, 9}, {false, 9}}},
		{relayCommand{Domains: []int{1}, TLS: true}, []way{{true, 1}}},
		{relayCommand{Domains: []int{1}, Clear: true}, []way{{false, 1}}},
		{relayCommand{Domains: []int{1}, Clear: true, TLS: true}, []way{{true, 1}, {false, 1}}},
	} {
		if got := c.cmd.ways(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v", c.cmd, got)
		}
	}
}
