//go:build linux

package main

import (
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	withPeer(t, func(t *testing.T, peer string) {
		var r latencyReport
		began := time.Now()
		small(t, &r, "latency", "--rate", "20", "--seconds", "1", "--peer", peer)
		if took := time.Since(began); took < time.Second*time.Duration(len(r.Runs))*19/20 {
			t.Errorf("20 messages a second are handed in within %v", took)
		}
		if sent := 23 * len(r.Runs); len(r.Runs) == 0 || r.Totals.Acknowledged != sent || r.Totals.Received != sent {
			t.Errorf("the books of %d runs say %+v", len(r.Runs), r.Totals)
		}
		for _, s := range r.Runs {
			if s.Messages != 20 || s.P50 < 0 || s.P99 < s.P50 || s.Max < s.P99 || s.CPU <= 0 || s.Connections < 1 {
				t.Errorf("these numbers cannot be: %+v", s)
			}
		}
	})
}

func TestLatencyBounds(t *testing.T) {
	t.Parallel()
	testBounds(t, "latency --rate 50 --seconds 1 --max-p50 1h --max-p99 1us", "tlsrelay, round 1: the 99th percentile in ms: ")
}

func TestLatencyTable(t *testing.T) {
	t.Parallel()
	testTable(t, "latency --rate 50 --seconds 1", "\n    1  tlsrelay        50  ")
}
