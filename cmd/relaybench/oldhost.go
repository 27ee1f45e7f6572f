//go:build linux

package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tlsrelay/cmd/relaybench/sink"
)

// oldHost is a host that knows nothing newer than TLS 1.0, and who came to it.
type oldHost struct {
	*sink.Sink
	mu     sync.Mutex
	visits []sink.Visit
}

// addOld adds domains with such hosts.
func (n *network) addOld(domains int) (hosts []*oldHost, err error) {
	for range domains {
		h := &oldHost{}
		at := netip.AddrPortFrom(n.newDomain(), n.sink.AddrPort().Port())
		h.Sink, err = sink.Listen(at.String(), sink.Options{
			TLS: true, OldTLS: true, OnlyTLS: true, Tarpit: time.Millisecond, Visited: h.visited, // slow, so that visits last
		})
		if err != nil {
			return nil, err
		}
		n.closers = append(n.closers, h.Close)
		hosts = append(hosts, h)
	}
	return hosts, nil
}

func (h *oldHost) visited(v sink.Visit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.visits = append(h.visits, v)
}

// oldSeen is what old hosts have seen, in connections: all, attempts to deliver, and those of probes.
type oldSeen struct {
	Connections  int `json:"connections_to_old_hosts"`
	Attempts     int `json:"of_these_attempts"`
	Probes       int `json:"of_these_for_probes"`
	Peak         int `json:"most_at_once_to_one"`
	AttemptsPeak int `json:"most_attempts_at_once_to_one"`
	ProbesPeak   int `json:"most_for_probes_at_once_to_one"`
}

// seen ends the host and tells what it has seen. An attempt to deliver offers all versions that mail may go over; the probe of a
// host without any of them asks for one version at a time.
func (h *oldHost) seen() oldSeen {
	h.Close()
	var attempts, probes []sink.Visit
	for _, v := range h.visits {
		switch {
		case v.Versions == nil: // cut off before it has offered anything
		case slices.Equal(v.Versions, []uint16{tls.VersionTLS13, tls.VersionTLS12}):
			attempts = append(attempts, v)
		default:
			probes = append(probes, v)
		}
	}
	return oldSeen{len(h.visits), len(attempts), len(probes), atOnce(h.visits), atOnce(attempts), atOnce(probes)}
}

// add sums up.
func (s *oldSeen) add(o oldSeen) {
	s.Connections += o.Connections
	s.Attempts += o.Attempts
	s.Probes += o.Probes
	s.Peak, s.AttemptsPeak, s.ProbesPeak = max(s.Peak, o.Peak), max(s.AttemptsPeak, o.AttemptsPeak), max(s.ProbesPeak, o.ProbesPeak)
}

// problem says what a host should not have seen: more than one connection for a probe, and one attempt, at the same time.
func (h *oldHost) problem(s oldSeen, probed bool) error {
	messages, _, refused := h.Counts()
	switch {
	case messages+refused > 0:
		return errors.New("there was mail to a host with old TLS")
	case !probed && s.Probes > 0:
		return errors.New("a host with old TLS was probed in a run without probes")
	case s.ProbesPeak > 1:
		return fmt.Errorf("%d connections to a host with old TLS were for probes at the same time, where one is allowed", s.ProbesPeak)
	case s.AttemptsPeak > 1 || s.Peak > 2:
		return fmt.Errorf("a host with old TLS had %d connections at the same time, where one attempt and one probe are allowed", s.Peak)
	}
	return nil
}

// overlap is how long visits must last together to count as being at the same time.
const overlap = 50 * time.Millisecond

// atOnce is the most visits at the same time.
func atOnce(visits []sink.Visit) (most int) {
	type turn struct {
		at   time.Time
		step int
	}
	var turns []turn
	for _, v := range visits {
		if to := v.To.Add(-overlap); to.After(v.From) {
			turns = append(turns, turn{v.From, 1}, turn{to, -1})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Or(a.at.Compare(b.at), a.step-b.step) })
	now := 0
	for _, t := range turns {
		now += t.step
		most = max(most, now)
	}
	return most
}
