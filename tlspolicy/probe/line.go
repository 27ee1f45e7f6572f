package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"tlsrelay/tlspolicy"
)

const (
	openTime       = 30 * time.Second // to connect, for the greeting and the answer to STARTTLS
	answerTime     = 10 * time.Second // for an answer to a ClientHello
	probeTime      = 90 * time.Second // for all
	maxConnections = 12
	maxRetries     = 4
	maxLost        = 2 // connections in a row that did not come about
)

// line is the connections to one target, one after the other.
type line struct {
	p      *Prober
	ctx    context.Context
	target Target

	count, lost, retries int
}

// errEnough is why there is no further connection.
var errEnough = errors.New("there were enough connections")

// open makes the next connection. It is closed when the context ends.
func (l *line) open() (conn net.Conn, closeIt func(), err error) {
	if l.count == maxConnections || l.lost == maxLost {
		return nil, nil, errEnough
	}
	if err := l.ctx.Err(); err != nil {
		return nil, nil, err
	}
	l.count++
	ctx, cancel := context.WithTimeout(l.ctx, openTime)
	defer cancel()
	conn, err = l.p.opts.Open(ctx, l.target)
	if err != nil {
		l.lost++
		return nil, nil, err
	}
	l.lost = 0
	stop := context.AfterFunc(l.ctx, func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(answerTime))
	return conn, func() { stop(); conn.Close() }, nil
}

// ask sends a ClientHello and reads the first answer, and with it the certificate if there is one to be had.
func (l *line) ask(h hello, certificate bool) answer {
	conn, closeIt, err := l.open()
	if err != nil {
		return answer{lost: err}
	}
	defer closeIt()
	conn.Write(h.record()) // whoever hangs up at once may have said why
	a := readAnswer(conn, certificate)
	if err := l.ctx.Err(); err != nil && a.turnedDown() { // it was this side that hung up
		return answer{lost: err}
	}
	return a
}

// insist asks, and where the answer tells nothing once more in another way, if that was not done too often: to wait again costs
// double. The second result tells whether the server turned both down.
func (l *line) insist(first, second hello, certificate bool) (answer, bool) {
	a := l.ask(first, certificate)
	cost := 1
	if a.silent {
		cost = 2
	}
	if a.lost != nil || a.about(first.version) != Unknown || l.retries+cost > maxRetries {
		return a, false
	}
	l.retries += cost
	b := l.ask(second, certificate)
	if b.lost != nil {
		return a, false
	}
	return b, a.turnedDown() && b.turnedDown()
}

// handshake is what came of a whole handshake by crypto/tls.
type handshake struct {
	state tls.ConnectionState
	err   error
	cause tlspolicy.Cause // of err
	seen  tlspolicy.Observed
	big   bool // the ClientHello was more than one packet
}

// shake does a handshake as mail does it, and hangs up. The error says that there was no connection.
func (l *line) shake(d tlspolicy.Decision) (handshake, error) {
	conn, closeIt, err := l.open()
	if err != nil {
		return handshake{}, err
	}
	defer closeIt()
	tap := &tap{Conn: conn, left: maxAnswer}
	config := d.ClientConfig(l.target.serverName())
	config.ClientSessionCache = nil // a resumed session would not tell all
	tc := tls.Client(tap, config)
	h := handshake{err: tc.HandshakeContext(l.ctx)}
	h.big = tap.sent >= packet
	h.seen = tlspolicy.Observe(tap.first.Bytes())
	if h.err != nil {
		h.cause, _ = d.Explain(h.err, tap.first.Bytes())
		return h, nil
	}
	h.state = tc.ConnectionState()
	tc.Close() // says so
	return h, nil
}

// serverName is what a certificate must be valid for: the name, or the address of a target without one.
func (t Target) serverName() string {
	if t.Name == "" {
		return t.Addr.Addr().String()
	}
	return t.Name
}

// packet is about what one packet holds, on most ways.
const packet = 1400

// tap bounds what is read, and keeps the first bytes of it. It counts what is sent before the first answer.
type tap struct {
	net.Conn
	left  int
	first bytes.Buffer
	sent  int
}

const maxFirst = 16 << 10

func (t *tap) Read(b []byte) (int, error) {
	if t.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := t.Conn.Read(b[:min(len(b), t.left)])
	t.left -= n
	t.first.Write(b[:min(n, maxFirst-t.first.Len())])
	return n, err
}

func (t *tap) Write(b []byte) (int, error) {
	n, err := t.Conn.Write(b)
	if t.first.Len() == 0 {
		t.sent += n
	}
	return n, err
}
