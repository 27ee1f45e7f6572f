package delivery

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"tlsrelay/queue"
)

const (
	// connectTimeout is short: another address may be waiting, and the queue tries again anyway.
	connectTimeout = 30 * time.Second

	// fallbackDelay is how long an address may take to answer until one of the other family is tried beside it (RFC 8305
	// section 5).
	fallbackDelay = 300 * time.Millisecond
)

// dialed is what became of connecting to one address.
type dialed struct {
	addr   netip.Addr
	conn   net.Conn // nil: none
	err    error
	beaten bool // another one was faster: this one was not waited for, and may be good
}

// race connects to one of the first two addresses of a host: to the first, and beside it to the next one of the other family if
// there is one, as soon as the first has failed or was silent for a while. It is a small RFC 8305: a host whose IPv6 is broken
// costs no more than that while.
type race struct {
	a     *attempt
	host  host
	addrs []netip.Addr
	dial  func(context.Context, netip.Addr) (net.Conn, error)

	ended   chan dialed
	running int
	results []dialed
	won     bool
}

func (a *attempt) race(h host, addrs []netip.Addr) *race {
	return &race{a: a, host: h, addrs: addrs, ended: make(chan dialed, 2), dial: func(ctx context.Context, addr netip.Addr) (net.Conn, error) {
		return a.d.dial(ctx, a.job.Destination(), h, addr)
	}}
}

// run gives what became of the addresses that were tried; one at most has a connection. If none has, the first address stands
// first.
func (r *race) run(ctx context.Context) []dialed {
	within, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	r.start(within, r.addrs[0])
	silent := time.NewTimer(fallbackDelay)
	defer silent.Stop()
	for r.running > 0 {
		select {
		case <-silent.C:
			r.second(within)
		case one := <-r.ended:
			r.running--
			r.end(one)
			if r.won {
				cancel()
			} else {
				r.second(within)
			}
		}
	}
	for _, one := range r.results {
		r.remember(ctx, one)
	}
	if !r.won && r.results[0].addr != r.addrs[0] {
		slices.Reverse(r.results) // the trouble with the first address counts, though it came later
	}
	return r.results
}

func (r *race) start(ctx context.Context, addr netip.Addr) {
	r.a.connects++
	r.running++
	go func() {
		conn, err := r.dial(ctx, addr)
		r.ended <- dialed{addr: addr, conn: conn, err: err}
	}()
}

// second starts the address beside the first, once.
func (r *race) second(ctx context.Context) {
	first, others := r.addrs[0], r.addrs[1:]
	r.addrs = r.addrs[:1]
	if ctx.Err() != nil {
		return
	}
	for _, addr := range others {
		if r.a.connects < maxConnects && addr.Unmap().Is4() != first.Unmap().Is4() && r.a.d.known.Alive(r.host.addrPort(addr)) {
			r.start(ctx, addr)
			return
		}
	}
}

func (r *race) end(one dialed) {
	if r.won {
		one.beaten = true
		if one.conn != nil {
			one.conn.Close()
			one.conn = nil
		}
	}
	r.won = r.won || one.conn != nil
	r.results = append(r.results, one)
}

// remember takes down what was learnt about an address. The first one counts as failed if it was beaten in spite of its start:
// until its pause is over no other connection waits for it.
func (r *race) remember(ctx context.Context, one dialed) {
	at := r.host.addrPort(one.addr)
	switch {
	case one.err == nil:
		r.a.d.known.Connected(at)
	case one.beaten && one.addr == r.addrs[0], !one.beaten && ctx.Err() == nil && unreachable(one.err):
		r.a.d.known.Failed(at)
	default:
		r.a.d.known.Left(at)
	}
}

// unreachable reports whether a failure to connect is the remote's, or that of the way to it.
func unreachable(err error) bool {
	switch dialTrouble(err).Cause {
	case queue.ConnectionTimeout.Key, queue.ConnectionRefused.Key, queue.ConnectionLost.Key:
		return true
	}
	return false
}
