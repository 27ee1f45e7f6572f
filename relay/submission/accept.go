package submission

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// accept takes connections until the listener is closed. An accept that fails while the listener is open (too many open
// files, for example) is tried again.
func (s *Server) accept(l net.Listener, on *Listener) error {
	pause := 5 * time.Millisecond
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			s.admit(conn, on)
			continue
		case s.running.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listener %s: %w", l.Addr(), err)
		}
		s.opts.Log.Error("cannot accept connections", "listener", l.Addr().String(), "error", err)
		select {
		case <-time.After(pause):
		case <-s.running.Done():
		}
		pause = min(2*pause, acceptPause)
	}
}

// admit counts the connection and serves it, or turns it away.
func (s *Server) admit(conn net.Conn, on *Listener) {
	s.mu.Lock()
	stopping, full := s.stopping, s.count >= s.opts.Connections
	if !stopping && !full {
		s.count++
		s.wg.Add(1)
		go s.start(conn, on)
	}
	s.mu.Unlock()
	if stopping {
		conn.Close()
	}
	if stopping || !full {
		return
	}
	client := clientOf(conn)
	s.opts.Log.Warn("connection refused: too many connections", "client", clientText(client))
	s.turnAway(conn, on, "421 4.7.0 "+s.opts.Hostname+" has too many connections, try again later")
}

// turnAway ends a new connection with one reply, if the client can read it without TLS.
func (s *Server) turnAway(conn net.Conn, on *Listener, reply string) {
	if on.TLS != TLSImplicit {
		conn.SetWriteDeadline(time.Now().Add(refuseTime))
		io.WriteString(conn, reply+"\r\n")
	}
	conn.Close()
}

// start brings a new connection to go-smtp.
func (s *Server) start(conn net.Conn, on *Listener) {
	g := &guard{Conn: conn, wire: conn, srv: s, on: on, client: clientOf(conn)}
	g.identify(conn)
	if on.isProxy(g.client) && s.readProxy(g) != nil || !s.welcome(g) {
		s.done()
		return
	}
	if on.TLS == TLSImplicit && g.handshake() != nil {
		conn.Close()
		s.leave(g)
		s.done()
		return
	}
	if refused := g.takeSeat(); refused != nil {
		g.turnAway(refused)
		return
	}
	s.pass(g, nil)
}

// pass hands g to go-smtp, in place of another guard of the same connection if old is not nil.
func (s *Server) pass(g, old *guard) {
	s.mu.Lock()
	delete(s.guards, old)
	s.guards[g] = struct{}{}
	if s.stopping {
		g.stop()
	}
	s.mu.Unlock()
	if !s.handOff.give(g) {
		g.Close()
	}
}

// forget is told that a guard has closed its connection.
func (s *Server) forget(g *guard) {
	s.mu.Lock()
	delete(s.guards, g)
	s.mu.Unlock()
	s.leave(g)
	s.done()
}

// done gives back the place that admit took.
func (s *Server) done() {
	s.mu.Lock()
	s.count--
	s.mu.Unlock()
	s.wg.Done()
}

// clientOf gives the address of the client; it is invalid if the connection does not come over a network.
func clientOf(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// handOff is the net.Listener from which go-smtp gets its connections.
type handOff struct {
	conns  chan net.Conn
	closed chan struct{}
	once   *sync.Once
}

func newHandOff() handOff {
	return handOff{conns: make(chan net.Conn), closed: make(chan struct{}), once: &sync.Once{}}
}

// give reports whether go-smtp took the connection.
func (h handOff) give(conn net.Conn) bool {
	select {
	case h.conns <- conn:
		return true
	case <-h.closed:
		return false
	}
}

func (h handOff) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h handOff) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (h handOff) Addr() net.Addr { return &net.TCPAddr{} }
