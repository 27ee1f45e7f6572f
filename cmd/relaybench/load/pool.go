//go:build linux

package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// Options says what load is made. Messages are numbered; all numbers differ in one Pool.
type Options struct {
	Address    string // "127.0.0.1:2525"
	Clients    int    // connections, at least 1
	Size       int    // bytes of a message as sent, without the final dot
	First      int    // number of the first message
	Recipients int    // different recipients that take turns; 0: each message has its own
	Domains    int    // over which recipients are spread; at least 1
	Pipelining bool   // MAIL, RCPT and DATA in one write, as MTAs do where the server offers it (RFC 2920)
	Patience   time.Duration

	// Acknowledged is called when the 250 to the end of a message's data was read; nil: nobody is told.
	Acknowledged func(number int, at time.Time)
}

// defaultPatience is how long all connections together may be silent.
const defaultPatience = time.Minute

// Pool is a set of open connections, each ready for MAIL. It is used by one goroutine.
type Pool struct {
	opts    Options
	epoll   int
	clients []*client
	next    int // number of the next message

	// While Send runs:
	left   int // messages to begin
	busy   int // clients within a message
	result *Result
}

// ErrAllLost says that no connection is left.
var ErrAllLost = errors.New("all connections are lost")

// Dial opens the connections and greets the server on each.
func Dial(ctx context.Context, o Options) (_ *Pool, err error) {
	o.Patience = cmp.Or(o.Patience, defaultPatience)
	o.Domains = max(o.Domains, 1)
	p := &Pool{opts: o, next: o.First}
	if p.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	first := newMail(o)
	for i := range o.Clients {
		fd, err := connect(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("connection %d to %s: %w", i+1, o.Address, err)
		}
		p.clients = append(p.clients, &client{pool: p, index: i, fd: fd, mail: first.clone()})
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		if err := syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
			return nil, fmt.Errorf("epoll: %w", err)
		}
	}
	return p, nil
}

// Send hands in n messages and waits for the answers. The result counts in any case; the error says why it stopped early:
// ctx ended, the server was silent for too long, or all connections broke. One that breaks is not opened again.
func (p *Pool) Send(ctx context.Context, n int) (*Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.left, p.result = n, newResult(n)
	start := time.Now()
	for _, c := range p.clients {
		c.begin()
	}
	err := p.serve(ctx)
	p.result.Elapsed = time.Since(start)
	return p.result, err
}

func (p *Pool) serve(ctx context.Context) error {
	const look = 100 * time.Millisecond // how often ctx and the silence are looked at when nothing comes
	events := make([]syscall.EpollEvent, len(p.clients))
	var silent time.Time // since when; zero: it is not
	for p.busy > 0 {
		n, err := epollWait(p.epoll, events, look)
		switch {
		case err != nil && !errors.Is(err, syscall.EINTR):
			return fmt.Errorf("epoll: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case n == 0 && silent.IsZero():
			silent = time.Now()
		case n == 0 && time.Since(silent) > p.opts.Patience:
			return fmt.Errorf("%s has not answered for %v on any of %d connections", p.opts.Address, p.opts.Patience, p.busy)
		case n > 0:
			silent = time.Time{}
		}
		for _, e := range events[:n] {
			p.clients[e.Fd].ready(e.Events)
		}
	}
	if p.left > 0 {
		return fmt.Errorf("%s: %w", p.opts.Address, ErrAllLost)
	}
	return nil
}

// epollWait is epoll_wait(2) without telling Go's scheduler that the thread may block: it would wake a thread of its own
// every 20 µs to look after that, which costs more than all else here. A signal, such as the collector sends, gives EINTR.
func epollWait(fd int, events []syscall.EpollEvent, timeout time.Duration) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
		uintptr(timeout.Milliseconds()), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Close says QUIT and closes the connections. It may be called more than once.
func (p *Pool) Close() {
	for _, c := range p.clients {
		if c.state != stateGone {
			syscall.Write(c.fd, []byte("QUIT\r\n")) // whether the server reads it does not matter any more
			c.close()
		}
	}
	if p.epoll >= 0 {
		syscall.Close(p.epoll)
		p.epoll = -1
	}
}
