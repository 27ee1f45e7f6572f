package check

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
	"tlsrelay/tlspolicy/probe"
)

const portSMTP = 25

// Way leads probes to servers, and remembers what was on the way.
type Way struct {
	reach func(context.Context, probe.Target) (net.Conn, error)

	mu       sync.Mutex
	troubles map[netip.AddrPort]*delivery.ReachError
	reached  int // connections to port 25 that were made
	silent   int // those of which nothing was heard
}

// NewWay makes a Way of [delivery.Deliverer.Reach].
func NewWay(reach func(context.Context, probe.Target) (net.Conn, error)) *Way {
	return &Way{reach: reach, troubles: make(map[netip.AddrPort]*delivery.ReachError)}
}

// Open is for the options of a [probe.Prober].
func (w *Way) Open(ctx context.Context, t probe.Target) (net.Conn, error) {
	c, err := w.reach(ctx, t)
	var trouble *delivery.ReachError
	known := errors.As(err, &trouble)
	w.mu.Lock()
	defer w.mu.Unlock()
	if known {
		w.troubles[t.Addr] = trouble
	}
	if t.Addr.Port() == portSMTP {
		if known && trouble.Outcome.Stage == queue.StageConnect && isSilence(err) {
			w.silent++
		} else {
			w.reached++
		}
	}
	return c, err
}

// isSilence reports whether a connection failed as it does where a firewall on the way lets nothing through.
func isSilence(err error) bool {
	for _, silence := range []error{
		os.ErrDeadlineExceeded, context.DeadlineExceeded, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES, syscall.EPERM,
	} {
		if errors.Is(err, silence) {
			return true
		}
	}
	return false
}

// trouble is the last one at an address; nil: none.
func (w *Way) trouble(at netip.AddrPort) *delivery.ReachError {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.troubles[at]
}

// Blocked reports whether it looks as if nothing on this machine could reach port 25 of others: it was tried, and nobody answered.
func (w *Way) Blocked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.silent > 0 && w.reached == 0
}

// BlockedAdvice is for the operator when [Way.Blocked].
const BlockedAdvice = "No server answered on port 25. Most home and cloud networks block it for outgoing connections: run this on a machine " +
	"that may send mail, or have your provider open port 25. `tlsrelay check HOST:587` asks another port."
