//go:build linux

package main

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"tlsrelay/cmd/relaybench/sink"
)

func TestProbes(t *testing.T) {
	t.Parallel()
	var r probesReport
	small(t, &r, "probes", "--seconds", "3", "--hosts", "3", "--rounds", "1")
	for i, s := range r.Runs {
		// 3 messages a host open the connections, 15 are measured.
		want := tally{Sent: 72, Acknowledged: 72, Received: 18, Left: 54}
		if s.Bad != (i%2 == 1) || s.Messages != 15 || s.P50 < 0 || s.Tally.String() != want.String() {
			t.Errorf("run %d: %+v", i, s)
		}
	}
	// In each run each host has an attempt, and in the second the probe asks for five versions at least.
	if o := r.oldSeen; len(r.Runs) != 2 || o.Probes < 3*5 || o.Attempts < 3*2 || o.ProbesPeak != 1 || o.Peak > 2 {
		t.Errorf("%d runs; the old hosts saw %+v", len(r.Runs), o)
	}
}

// TestOldHostJudges: visits of 1 s each, by their beginnings in ms. A probe is p, an attempt a, one that was cut off short -.
func TestOldHostJudges(t *testing.T) {
	kinds := map[byte][]uint16{'a': {tls.VersionTLS13, tls.VersionTLS12}, 'p': {tls.VersionTLS12, tls.VersionTLS11, tls.VersionTLS10}, '-': nil}
	for _, c := range []struct {
		kinds  string
		begin  []int
		probed bool
		want   string
	}{
		{"ppp", []int{0, 990, 1980}, true, ""},
		{"apap", []int{0, 100, 1000, 1100}, true, ""},
		{"pp", []int{0, 900}, true, "2 connections to a host with old TLS were for probes"},
		{"aap", []int{0, 900, 2000}, true, "had 2 connections at the same time"},
		{"a--", []int{0, 100, 200}, true, "had 3 connections at the same time"},
		{"ap", []int{0, 2000}, false, "in a run without probes"},
		{"a", []int{0}, false, ""},
	} {
		host, err := sink.Listen("127.0.0.1:0", sink.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := &oldHost{Sink: host}
		start := time.Now()
		for i, ms := range c.begin {
			from := start.Add(time.Duration(ms) * time.Millisecond)
			h.visited(sink.Visit{From: from, To: from.Add(time.Second), Versions: kinds[c.kinds[i]]})
		}
		err = h.problem(h.seen(), c.probed)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s from %v: %v, want %q", c.kinds, c.begin, err, c.want)
		}
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
