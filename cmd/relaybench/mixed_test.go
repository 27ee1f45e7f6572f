//go:build linux

package main

import (
	"testing"
)

func TestMixed(t *testing.T) {
	withPeer(t, func(t *testing.T, peer string) {
		var r mixedReport
		small(t, &r, "mixed", "--messages", "160", "--rate", "100", "--domains", "76", "--clients", "4", "--peer", peer)
		for i, s := range r.Runs {
			// 76 healthy domains and 4 bad ones, one of each kind, take turns.
			want := tally{Sent: 152, Acknowledged: 152, Received: 152}
			if s.Bad {
				want = tally{Sent: 160, Acknowledged: 160, Received: 152, Left: 8}
			}
			if s.Bad != (i%2 == 1) || s.Messages != 152 || s.P50 < 0 || s.P99 < s.P50 || s.Tally.String() != want.String() {
				t.Errorf("run %d: %+v", i, s)
			}
		}
		if len(r.Ratios)*2 != len(r.Runs) || len(r.Ratios) == 0 || r.Ratios[0].P50.Median <= 0 {
			t.Errorf("%d runs give %+v", len(r.Runs), r.Ratios)
		}
	})
}

func TestMixedBound(t *testing.T) {
	t.Parallel()
	testBounds(t, "mixed --messages 40 --rate 100 --domains 19 --max-ratio 0.0001", "the ratio of the 99th percentiles: ")
}

func TestMixedTable(t *testing.T) {
	t.Parallel()
	testTable(t, "mixed --messages 40 --rate 100 --domains 19", "\ntlsrelay  yes ")
}
