package submission

import (
	"net"
	"runtime"
)

// turns lets no more TLS handshakes compute at the same time than there are processors. Thousands that come at once wait for
// each other this way, and not everyone else behind all of them. A client that is waited for holds no turn.
type turns chan struct{}

func newTurns() turns { return make(turns, runtime.GOMAXPROCS(0)) }

func (t turns) take() { t <- struct{}{} }
func (t turns) give() { <-t }

// handshakeConn gives the turn back while it waits for the client.
type handshakeConn struct {
	net.Conn
	turns turns // nil when the handshake is over
}

func (c *handshakeConn) Read(p []byte) (int, error) {
	if c.turns == nil {
		return c.Conn.Read(p)
	}
	c.turns.give()
	defer c.turns.take()
	return c.Conn.Read(p)
}

func (c *handshakeConn) Write(p []byte) (int, error) {
	if c.turns == nil {
		return c.Conn.Write(p)
	}
	c.turns.give()
	defer c.turns.take()
	return c.Conn.Write(p)
}
