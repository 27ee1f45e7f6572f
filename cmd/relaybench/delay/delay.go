// Package delay makes a host far away: a TCP proxy in front of it through which everything takes its time, however much is on
// the way at once.
package delay

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy is a running proxy.
type Proxy struct {
	listener net.Listener
	target   string
	oneWay   time.Duration

	quit   chan struct{} // closed when the proxy ends
	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
	work   sync.WaitGroup
}

// Listen starts a proxy on a port of 127.0.0.1. Half of the round trip is spent in each direction. Whoever connects has an answer at
// once, from the kernel, but the host learns of it as late as of all else, so that the end of one connection comes before the
// beginning of the next.
func Listen(target string, roundTrip time.Duration) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, oneWay: roundTrip / 2, quit: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	p.work.Go(p.accept)
	return p, nil
}

// Address is where the host seems to be.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Close ends all connections and waits for their end. It may be called more than once.
func (p *Proxy) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.quit)
	}
	p.listener.Close()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // too many open files, for example
			time.Sleep(10 * time.Millisecond)
		default:
			p.work.Go(func() { p.serve(near) })
		}
	}
}

// serve passes one connection on until both sides have ended.
func (p *Proxy) serve(near net.Conn) {
	defer p.forget(near)
	select {
	case <-time.After(p.oneWay):
	case <-p.quit:
		return
	}
	far, err := net.DialTimeout("tcp", p.target, 10*time.Second)
	if err != nil || !p.keep(near) {
		if err == nil {
			far.Close()
		}
		return
	}
	defer p.forget(far)
	if !p.keep(far) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(far, near) })
	both.Go(func() { p.pass(near, far) })
	both.Wait()
}

// keep has Close end a connection, too. It is false when that is over.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.conns[c] = struct{}{}
	}
	return !p.closed
}

func (p *Proxy) forget(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// parcel is bytes on the way.
type parcel struct {
	due   time.Time
	bytes []byte
}

// Bounds of what is on the way in one direction; far more than a mail server's window.
const (
	maxParcels = 1024
	maxParcel  = 16 << 10 // bytes
)

// pass carries bytes in one direction. Reading goes on while others are on the way. The end of the stream takes as long as they do.
func (p *Proxy) pass(to, from net.Conn) {
	road := make(chan parcel, maxParcels)
	var reader sync.WaitGroup
	defer reader.Wait()
	reader.Go(func() {
		defer close(road)
		for {
			buf := make([]byte, maxParcel)
			n, err := from.Read(buf) // of TCP: bytes or an error
			select {
			case road <- parcel{time.Now().Add(p.oneWay), buf[:n]}:
			case <-p.quit:
				return
			}
			if err != nil {
				return
			}
		}
	})
	if err := p.deliver(to, road); err != nil {
		from.Close() // whoever still sends there learns that nobody listens
	}
	for range road { // what was read before that
	}
}

// deliver writes each parcel when it is due. The empty one is the end of the stream.
func (p *Proxy) deliver(to net.Conn, road <-chan parcel) error {
	for next := range road {
		select {
		case <-time.After(time.Until(next.due)):
		case <-p.quit:
			return io.ErrClosedPipe
		}
		if len(next.bytes) == 0 {
			return to.(*net.TCPConn).CloseWrite()
		}
		if _, err := to.Write(next.bytes); err != nil {
			return err
		}
	}
	return nil
}
