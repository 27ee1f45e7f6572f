package delivery

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"tlsrelay/relay/dns"
)

// window is what a direction of a link holds before the writer has to wait, about what the system's buffers on both sides do.
const window = 256 << 10

// end is one end of a connection in memory that behaves like TCP, for tests in virtual time: writers wait only when the window
// is full, and it can be closed, half closed and reset.
type end struct{ in, out *flow }

// link makes a connection.
func link() (ours, theirs *end) {
	a, b := newFlow(), newFlow()
	return &end{a, b}, &end{b, a}
}

// flow is one direction.
type flow struct {
	mu      sync.Mutex
	changed *sync.Cond
	held    []byte
	read    int // bytes read so far

	fin, gone, reset            bool // the writer has closed; the reader has; the connection was cut
	readDeadline, writeDeadline time.Time
}

func newFlow() *flow {
	f := &flow{}
	f.changed = sync.NewCond(&f.mu)
	return f
}

func (f *flow) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.changed.Broadcast()
}

func expired(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func opError(op string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, errno)}
}

func (e *end) Read(b []byte) (int, error) {
	f := e.in
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.gone:
			return 0, net.ErrClosed
		case expired(f.readDeadline):
			return 0, os.ErrDeadlineExceeded
		case f.reset:
			return 0, opError("read", syscall.ECONNRESET)
		case len(f.held) > 0:
			n := copy(b, f.held)
			f.held = f.held[n:]
			f.read += n
			f.changed.Broadcast()
			return n, nil
		case f.fin:
			return 0, io.EOF
		}
		f.changed.Wait()
	}
}

func (e *end) Write(b []byte) (n int, err error) {
	f := e.out
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.fin:
			return n, net.ErrClosed
		case expired(f.writeDeadline):
			return n, os.ErrDeadlineExceeded
		case f.gone || f.reset:
			return n, opError("write", syscall.EPIPE)
		case len(b) == 0:
			return n, nil
		case len(f.held) < window:
			k := min(len(b), window-len(f.held))
			f.held = append(f.held, b[:k]...)
			b, n = b[k:], n+k
			f.changed.Broadcast()
			continue
		}
		f.changed.Wait()
	}
}

// Close, like that of a socket, sends what was written.
func (e *end) Close() error {
	e.CloseWrite()
	e.in.set(func() { e.in.gone, e.in.held = true, nil })
	return nil
}

// CloseWrite ends one direction.
func (e *end) CloseWrite() error {
	e.out.set(func() { e.out.fin = true })
	return nil
}

// Reset cuts the connection; what was on its way is lost.
func (e *end) Reset() {
	for _, f := range []*flow{e.in, e.out} {
		f.set(func() { f.reset, f.held = true, nil })
	}
}

// closed reports whether this end was closed.
func (e *end) closed() bool {
	e.in.mu.Lock()
	defer e.in.mu.Unlock()
	return e.in.gone
}

// wait returns when the other end has closed or cut the connection. It reads nothing.
func (e *end) wait() {
	f := e.out
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.gone && !f.reset {
		f.changed.Wait()
	}
}

// ready returns when there is something to read, or will never be.
func (e *end) ready() {
	f := e.in
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.held) == 0 && !f.fin && !f.reset {
		f.changed.Wait()
	}
}

func (e *end) SetDeadline(t time.Time) error {
	e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

func (e *end) SetReadDeadline(t time.Time) error {
	e.in.arm(&e.in.readDeadline, t)
	return nil
}

func (e *end) SetWriteDeadline(t time.Time) error {
	e.out.arm(&e.out.writeDeadline, t)
	return nil
}

func (f *flow) arm(deadline *time.Time, t time.Time) {
	f.set(func() { *deadline = t })
	if d := time.Until(t); d > 0 {
		time.AfterFunc(d, func() { f.set(func() {}) })
	}
}

func (e *end) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:1"))
}
func (e *end) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.2:25"))
}

// world is a network in memory: what answers at which address, and what has been connected to.
type world struct {
	at map[string]func(*end) // by address and port
	mx map[string][]string   // addresses of the one MX host of a domain

	visits sync.WaitGroup

	mu   sync.Mutex
	ends []*end            // ours
	live map[string][]*end // by address, those of them that were open when the last one was made; "" is any address
	most map[string]int    // that were open at once
}

// connect takes the place of the system's.
func (w *world) connect(ctx context.Context, _ *net.Dialer, address string) (net.Conn, error) {
	serve := w.at[address]
	if serve == nil {
		return nil, opError("dial", syscall.ECONNREFUSED)
	}
	ours, theirs := link()
	w.mu.Lock()
	w.ends = append(w.ends, ours)
	if w.live == nil {
		w.live, w.most = map[string][]*end{}, map[string]int{}
	}
	for _, a := range []string{address, ""} {
		w.live[a] = append(slices.DeleteFunc(w.live[a], (*end).closed), ours)
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
		e.in.set(func() { most = max(most, e.in.read) })
	}
	return most
}

// closed reports whether we have closed all connections.
func (w *world) closed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(w.ends, func(e *end) bool { return !e.closed() })
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
