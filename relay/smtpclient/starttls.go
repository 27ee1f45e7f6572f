package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// StartTLS asks for TLS (RFC 3207) and shakes hands. cfg decides what is good enough. It gives the state of the
// session, and in any case the first bytes (at most 8 KB) that the server sent in answer to our ClientHello, as
// evidence.
//
// A server that refuses the command gives an *Error of StageSTARTTLS with its reply; the session goes on in clear text
// then, for what that is worth. A failed handshake is of StageTLS and ends the session. After success Hello must be
// called again.
func (c *Conn) StartTLS(ctx context.Context, cfg *tls.Config) (tls.ConnectionState, []byte, error) {
	if injected, err := c.askTLS(ctx); err != nil {
		return tls.ConnectionState{}, injected, err
	}
	return c.Handshake(ctx, cfg)
}

// AskTLS asks for TLS as StartTLS does, and gives the connection at the point where the server waits for a ClientHello. It is
// the caller's from then on, with no deadline, and the session is over.
func (c *Conn) AskTLS(ctx context.Context) (net.Conn, error) {
	if _, err := c.askTLS(ctx); err != nil {
		return nil, err
	}
	c.over = true
	return c.wire, c.wire.SetDeadline(time.Time{})
}

// askTLS has the server wait for a ClientHello. With an error it may give what the server said too soon.
func (c *Conn) askTLS(ctx context.Context) (injected []byte, err error) {
	if c.tls != nil {
		return nil, &Error{Stage: StageSTARTTLS, Err: errors.New("the session has TLS already")}
	}
	reply, err := c.command(ctx, StageSTARTTLS, c.timeouts.Command, "STARTTLS")
	if err != nil {
		return nil, err
	}
	if reply.Code != 220 {
		return nil, c.refused(StageSTARTTLS, reply)
	}
	if n := c.r.Buffered(); n > 0 {
		// Someone on the way may have put words in the server's mouth, to be obeyed once the session counts as safe.
		injected, _ = c.r.Peek(n)
		return injected, c.fail(ctx, StageTLS, c.timeouts.Handshake, ErrInjected)
	}
	return nil, nil
}

// Handshake does TLS at once, without a word of SMTP: right after New, for ports with implicit TLS (RFC 8314). The
// results are those of StartTLS.
func (c *Conn) Handshake(ctx context.Context, cfg *tls.Config) (tls.ConnectionState, []byte, error) {
	cfg = cfg.Clone()
	cfg.DynamicRecordSizingDisabled = true // small first records are for browsers; they cost a write each
	tc := tls.Client(c.wire, cfg)
	c.wire.tap, c.wire.tapped = true, nil
	err := c.within(ctx, StageTLS, c.timeouts.Handshake, tc.Handshake)
	raw := c.wire.tapped
	c.wire.tap, c.wire.tapped = false, nil
	if err != nil {
		return tls.ConnectionState{}, raw, err
	}
	state := tc.ConnectionState()
	c.tls = &state
	c.use(tc)
	return state, raw, nil
}
