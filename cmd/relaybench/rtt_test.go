//go:build linux

package main

import (
	"strings"
	"testing"
)

// TestRTT: in no way is a message delivered in less than a round trip, over one connection.
func TestRTT(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flag   string
		offers string
	}{{"--chunking", "CHUNKING"}, {"--pipelining", "PIPELINING"}, {"--size=1000", "CHUNKING PIPELINING"}} {
		t.Run(c.flag, func(t *testing.T) {
			t.Parallel()
			var r rttReport
			small(t, &r, "rtt", "--delay", "20ms", "--messages", "5", c.flag)
			var offers []string
			for _, s := range r.Runs {
				offers = append(offers, s.Offer)
				if s.RoundTrips < 0.9 || s.PerSecond <= 0 || s.PerSecond > 55 || s.Tally.Received != 6 || s.AtOnce < 1 || s.AtOnce > 2 {
					t.Errorf("these numbers cannot be: %+v", s)
				}
			}
			if got := strings.Join(offers, " "); got != c.offers {
				t.Errorf("offers %s", got)
			}
		})
	}
}

func TestRTTBound(t *testing.T) {
	t.Parallel()
	testBounds(t, "rtt --delay 10ms --messages 3 --chunking --min-rate 1000", "tlsrelay, CHUNKING: the rate: ")
}

func TestRTTTable(t *testing.T) {
	t.Parallel()
	testTable(t, "rtt --delay 10ms --messages 3 --chunking", "\nCHUNKING         tlsrelay         4  ")
}
