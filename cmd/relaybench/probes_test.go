//go:build linux

package main

import "testing"

func TestProbes(t *testing.T) {
	t.Parallel()
	var r probesReport
	small(t, &r, "probes", "--seconds", "3", "--hosts", "3", "--rounds", "1")
	for i, s := range r.Runs {
		// 3 messages a host open the connections, 15 are measured.
		want := tally{Sent: 72, Acknowledged: 72, Received: 18, Left: 54}
		if s.Bad != (i%2 == 1) || s.Messages != 15 || s.P50 <= 0 || s.Tally.String() != want.String() {
			t.Errorf("run %d: %+v", i, s)
		}
	}
	// Each host has an attempt in each run, and five connections of the probe at least, in the second.
	if len(r.Runs) != 2 || r.Connections < 3*(2+5) || r.Peak < 1 || r.Peak > 2 {
		t.Errorf("%d connections, %d at once", r.Connections, r.Peak)
	}
}

func TestProbesBound(t *testing.T) {
	t.Parallel()
	testBounds(t, "probes --seconds 1 --hosts 1 --rounds 1 --max-ratio 0.0001", "the ratio of the 99th percentiles: ")
}

func TestProbesHasNoPeer(t *testing.T) {
	t.Parallel()
	if err := (&probesCommand{bedFlags: bedFlags{Peer: "postfix"}, Rate: 5, Seconds: 1, Hosts: 1, Size: 1, Rounds: 1}).check(); err == nil {
		t.Error("--peer is taken")
	}
}
