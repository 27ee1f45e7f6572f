// Package sink is a mail server that takes everything and keeps nothing, at little cost, in clear text or with STARTTLS. It
// can be slow, refuse, or hold its clients up, as servers out there do.
package sink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options says how a Sink behaves. The zero value takes all mail at once in clear text.
type Options struct {
	TLS     bool              // offer STARTTLS, with a certificate made at the start
	Delay   time.Duration     // before the answer to the end of data
	Tarpit  time.Duration     // before each octet of an answer
	Replies map[string]string // other answers, by stage: see [Stages]

	OnlyTLS      bool // refuse mail in clear text
	OldTLS       bool // know no TLS newer than 1.0
	Chunking     bool // offer CHUNKING (RFC 3030)
	NoPipelining bool // do not offer PIPELINING
	Connections  int  // at the same time; more are turned away with 421. 0: any number

	// Received is called for each message whose answer was sent, from many goroutines. nil: nobody is told.
	Received func(Message)

	// Visited is called at the end of each connection, from many goroutines. nil: nobody is told.
	Visited func(Visit)
}

// Visit is one connection. It may end here a moment later than its client has ended it.
type Visit struct {
	From, To time.Time
	Versions []uint16 // of TLS that its ClientHello offered, the newest first; nil: there was none
}

// Stages are the places at which a Sink can be told what to answer.
var Stages = []string{"connect", "ehlo", "starttls", "mail", "rcpt", "data", "dot"}

// ParseReply makes an answer of a text such as "451", "550 5.1.1" or "451 4.7.1 Try again later".
func ParseReply(text string) (string, error) {
	if len(text) < 3 || text[0] < '2' || text[0] > '5' || strings.Trim(text[1:3], "0123456789") != "" ||
		len(text) > 3 && text[3] != ' ' || strings.ContainsAny(text, "\r\n") || len(text) > 500 {
		return "", fmt.Errorf("%.60q is no answer; write a code from 200 to 599, and text if you like: \"451 4.7.1 Try later\"", text)
	}
	if len(text) == 3 {
		text += " as it was told to answer"
	}
	return text, nil
}

// maxConnections bounds the clients at the same time.
const maxConnections = 10_000

// Sink is a running server.
type Sink struct {
	opts      Options
	tls       *tls.Config // nil: STARTTLS is not offered
	listeners []net.Listener

	messages, bytes, refused, open, opened atomic.Int64

	quit     chan struct{} // closed when the sink ends
	mu       sync.Mutex
	closed   bool
	conns    map[net.Conn]struct{}
	peak     int // of conns
	sessions sync.WaitGroup
}

// Listen starts a sink at an address such as "127.0.0.1:0". An error says what is wrong with the options or the address.
func Listen(address string, o Options) (*Sink, error) {
	s := &Sink{opts: o, quit: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	if o.TLS {
		certificate, err := NewCertificate("sink.bench.test")
		if err != nil {
			return nil, err
		}
		s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		if o.OldTLS {
			s.tls.MinVersion, s.tls.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
		}
	}
	if err := s.listen(address); err != nil {
		return nil, err
	}
	return s, nil
}

// Also has the sink listen at another IP address, too, with the same port.
func (s *Sink) Also(address netip.Addr) error {
	return s.listen(netip.AddrPortFrom(address, s.AddrPort().Port()).String())
}

func (s *Sink) listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s.listeners = append(s.listeners, l)
	s.sessions.Go(func() { s.accept(l) })
	return nil
}

// Address is where the sink listens first.
func (s *Sink) Address() string { return s.listeners[0].Addr().String() }

// AddrPort gives the same.
func (s *Sink) AddrPort() netip.AddrPort { return s.listeners[0].Addr().(*net.TCPAddr).AddrPort() }

// Opened counts the connections so far, those included that were turned away.
func (s *Sink) Opened() int64 { return s.opened.Load() }

// Peak is the most connections that were open at the same time.
func (s *Sink) Peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peak
}

// Counts gives the messages and their bytes that were taken, and the answers that were no.
func (s *Sink) Counts() (messages, bytes, refused int64) {
	return s.messages.Load(), s.bytes.Load(), s.refused.Load()
}

// Close ends all sessions and waits for their end. It may be called more than once.
func (s *Sink) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.quit)
	}
	for _, l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.sessions.Wait()
}

func (s *Sink) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // too many open files, for example
			time.Sleep(10 * time.Millisecond)
		case s.admit(c):
			s.sessions.Go(func() { s.serve(c) })
		default:
			c.Close()
		}
	}
}

// serve is one visit.
func (s *Sink) serve(c net.Conn) {
	defer s.forget(c)
	v := Visit{From: time.Now()}
	session := newSession(s, c)
	session.run()
	if s.opts.Visited != nil {
		c.Close()
		v.To, v.Versions = time.Now(), session.versions
		s.opts.Visited(v)
	}
}

func (s *Sink) admit(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= maxConnections {
		return false
	}
	s.conns[c] = struct{}{}
	s.peak = max(s.peak, len(s.conns))
	s.open.Add(1)
	s.opened.Add(1)
	return true
}

func (s *Sink) forget(c net.Conn) {
	c.Close()
	s.open.Add(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}
