// Package memnet is a network in memory for tests in virtual time (testing/synctest), where a goroutine that waits for a real
// socket would stop the clock. Only tests import it.
package memnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is what a direction of a link holds before the writer has to wait, about what the system's buffers on both sides do.
const window = 256 << 10

// End is one end of a connection in memory that behaves like TCP, for tests in virtual time: writers wait only when the window
// is full, and it can be closed, half closed and reset.
type End struct{ in, out *flow }

// Link makes a connection.
func Link() (ours, theirs *End) {
	a, b := newFlow(), newFlow()
	return &End{a, b}, &End{b, a}
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

// OpError is an error as package net has it.
func OpError(op string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, errno)}
}

// Read implements [net.Conn].
func (e *End) Read(b []byte) (int, error) {
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
			return 0, OpError("read", syscall.ECONNRESET)
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

// Write implements [net.Conn].
func (e *End) Write(b []byte) (n int, err error) {
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
			return n, OpError("write", syscall.EPIPE)
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
func (e *End) Close() error {
	e.CloseWrite()
	e.in.set(func() { e.in.gone, e.in.held = true, nil })
	return nil
}

// CloseWrite ends one direction.
func (e *End) CloseWrite() error {
	e.out.set(func() { e.out.fin = true })
	return nil
}

// Reset cuts the connection; what was on its way is lost.
func (e *End) Reset() {
	for _, f := range []*flow{e.in, e.out} {
		f.set(func() { f.reset, f.held = true, nil })
	}
}

// Closed reports whether this end was closed.
func (e *End) Closed() bool {
	e.in.mu.Lock()
	defer e.in.mu.Unlock()
	return e.in.gone
}

// Wait returns when the other end has closed or cut the connection. It reads nothing.
func (e *End) Wait() {
	f := e.out
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.gone && !f.reset {
		f.changed.Wait()
	}
}

// Ready returns when there is something to read, or will never be.
func (e *End) Ready() {
	f := e.in
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.held) == 0 && !f.fin && !f.reset {
		f.changed.Wait()
	}
}

// SetDeadline implements [net.Conn].
func (e *End) SetDeadline(t time.Time) error {
	e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (e *End) SetReadDeadline(t time.Time) error {
	e.in.arm(&e.in.readDeadline, t)
	return nil
}

// SetWriteDeadline implements [net.Conn].
func (e *End) SetWriteDeadline(t time.Time) error {
	e.out.arm(&e.out.writeDeadline, t)
	return nil
}

func (f *flow) arm(deadline *time.Time, t time.Time) {
	f.set(func() { *deadline = t })
	if d := time.Until(t); d > 0 {
		time.AfterFunc(d, func() { f.set(func() {}) })
	}
}

// LocalAddr implements [net.Conn].
func (e *End) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:1"))
}

// RemoteAddr implements [net.Conn].
func (e *End) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.2:25"))
}

// BytesRead gives how many bytes were read at this end so far.
func (e *End) BytesRead() (n int) {
	e.in.set(func() { n = e.in.read })
	return n
}
