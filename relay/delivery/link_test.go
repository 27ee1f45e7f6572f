package delivery

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"tlsrelay/relay/dns"
	"tlsrelay/relay/memnet"
)

// world is a network in memory: what answers at which address, and what has been connected to.
type world struct {
	at map[string]func(*memnet.End) // by address and port
	mx map[string][]string          // addresses of the one MX host of a domain

	visits sync.WaitGroup

	mu   sync.Mutex
	ends []*memnet.End            // ours
	live map[string][]*memnet.End // by address, those of them that were open when the last one was made; "" is any address
	most map[string]int           // that were open at once
}

// connect takes the place of the system's.
func (w *world) connect(ctx context.Context, _ *net.Dialer, address string) (net.Conn, error) {
	serve := w.at[address]
	if serve == nil {
		return nil, memnet.OpError("dial", syscall.ECONNREFUSED)
	}
	ours, theirs := memnet.Link()
	w.mu.Lock()
	w.ends = append(w.ends, ours)
	if w.live == nil {
		w.live, w.most = map[string][]*memnet.End{}, map[string]int{}
	}
	for _, a := range []string{address, ""} {
		w.live[a] = append(slices.DeleteFunc(w.live[a], (*memnet.End).Closed), ours)
		w.most[a] = max(w.most[a], len(w.live[a]))
	}
	w.mu.Unlock()
	w.visits.Go(func() {
		defer theirs.Close()
		serve(theirs)
	})
	return ours, ctx.Err()
}

// atOnce gives how many connections to an address, "" for any, were open at once.
func (w *world) atOnce(address string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most[address]
}

// read gives the most bytes that we read on one connection.
func (w *world) read() (most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.ends {
		most = max(most, e.BytesRead())
	}
	return most
}

// closed reports whether we have closed all connections.
func (w *world) closed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(w.ends, func(e *memnet.End) bool { return !e.Closed() })
}

func (w *world) LookupMX(_ context.Context, domain string) (dns.MXAnswer, error) {
	if w.mx[domain] == nil {
		return dns.MXAnswer{}, dns.ErrNoSuchDomain
	}
	return dns.MXAnswer{Hosts: []dns.MX{{Host: "mx." + domain, Preference: 10}}}, nil
}

func (w *world) KnownMX(domain string) (dns.MXAnswer, error, bool) {
	answer, err := w.LookupMX(context.Background(), domain)
	return answer, err, true
}

func (w *world) LookupAddrs(_ context.Context, host string) (dns.AddrAnswer, error) {
	var answer dns.AddrAnswer
	for _, a := range w.mx[host[len("mx."):]] {
		answer.Addrs = append(answer.Addrs, netip.MustParseAddr(a))
	}
	return answer, nil
}
