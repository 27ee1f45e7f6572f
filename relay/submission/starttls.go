package submission

import (
	"context"
	"crypto/tls"

	"github.com/emersion/go-smtp"
)

// startTLS answers STARTTLS. When TLS stands, go-smtp gets the connection anew, by another guard that knows nothing of
// what was said before.
func (g *guard) startTLS(arg string) *smtp.SMTPError {
	switch {
	case arg != "":
		return smtpReply(501, "5.5.4", "STARTTLS takes no argument")
	case g.secure != nil:
		return smtpReply(503, "5.5.1", "TLS is running already")
	case g.on.TLS != TLSStartTLS:
		return smtpReply(502, "5.5.1", "STARTTLS is not available here")
	case len(g.in.window()) > 0: // whoever put it there wants it to be taken for what came by TLS (CVE-2011-0411)
		g.cutOff(554, "5.5.1", "Nothing may follow STARTTLS before the TLS handshake")
		return nil
	}
	g.say(220, "2.0.0", "Ready to start TLS")
	g.end()
	next := &guard{Conn: g.wire, wire: g.wire, srv: g.srv, on: g.on, client: g.client, resumed: true}
	if next.handshake() == nil {
		g.passedOn = true
		next.seat, g.seat = g.seat, nil
		g.srv.pass(next, g)
	}
	return nil
}

// handshake puts TLS on the connection. It ends early when the server is to stop.
func (g *guard) handshake() error {
	ctx, cancel := context.WithTimeout(g.srv.running, g.srv.opts.times.handshake)
	defer cancel()
	turns := g.srv.turns
	wire := &handshakeConn{Conn: g.wire, turns: turns}
	conn := tls.Server(wire, g.srv.tlsAt(g.on))
	turns.take()
	defer func() {
		wire.turns = nil
		turns.give()
	}()
	if err := conn.HandshakeContext(ctx); err != nil {
		g.logHandshake(err)
		return err
	}
	state := conn.ConnectionState()
	g.Conn, g.secure = conn, &state
	return nil
}
