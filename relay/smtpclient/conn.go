package smtpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Conn is one SMTP session, for one goroutine at a time. Close may be called from any.
type Conn struct {
	wire     *wire
	nc       net.Conn // wire, or TLS above it
	r        *bufio.Reader
	w        *bufio.Writer
	timeouts Timeouts
	noBDAT   bool

	tls      *tls.ConnectionState // nil in clear text
	ext      Extensions
	patience time.Duration // left to wait for this remote until it takes a message
	over     bool          // the session failed or ended
	cut      func()        // closes the connection; for contexts that end
	watched  bool          // by Send: its context does that, not each step's
	ahead    []string      // the next transaction's commands, sent already
}

const writeBuffer = 16 << 10 // one TLS record; a small message goes out in one write

// New takes over a connection that has just been made.
func New(nc net.Conn, o Options) *Conn {
	c := &Conn{wire: &wire{Conn: nc, left: maxRead}, timeouts: o.Timeouts.withDefaults(), noBDAT: o.NoChunking}
	c.r, c.w = bufio.NewReader(nil), bufio.NewWriterSize(nil, writeBuffer)
	c.patience = c.timeouts.MaxSession
	c.cut = func() { c.wire.Close() }
	c.use(c.wire)
	return c
}

// use makes nc the connection to talk over, and forgets what was read before.
func (c *Conn) use(nc net.Conn) {
	c.nc = nc
	c.r.Reset(nc)
	c.w.Reset(nc)
	c.ext = Extensions{}
}

// Close ends the session without a word. It may be called more than once.
func (c *Conn) Close() error { return c.wire.Close() }

// Greeting reads the server's first reply. It comes first, or after Handshake.
func (c *Conn) Greeting(ctx context.Context) (Reply, error) {
	reply, err := c.reply(ctx, StageGreeting, c.timeouts.Greeting)
	if err == nil && !reply.Positive() {
		err = c.refused(StageGreeting, reply)
	}
	return reply, err
}

// Reset drops the transaction that a failed Send left behind, so that another can follow. If that fails the session is over.
func (c *Conn) Reset(ctx context.Context) error {
	if err := c.unasked(ctx, StageMail); err != nil {
		return err
	}
	reply, err := c.command(ctx, StageMail, c.timeouts.Command, "RSET")
	if err == nil && !reply.Positive() {
		err = c.refused(StageMail, reply)
		c.end() // every server knows RSET: this must be the answer to something else
	}
	return err
}

// Quit says good-bye and closes the connection. It does not wait for the answer: nothing depends on it, and a delivery that
// waits to be written down should not wait for a slow server.
func (c *Conn) Quit(ctx context.Context) {
	defer c.Close()
	if c.ahead != nil {
		c.over = true // no word may follow
	}
	if c.over {
		return
	}
	c.within(ctx, "quit", c.timeouts.Quit, func() error {
		c.w.WriteString("QUIT\r\n")
		return c.flush()
	})
	if !c.over {
		c.over = true
		c.nc.Close() // says close_notify
	}
}

// within runs f, one step of the dialogue, under its deadline, what is left of the session's patience, and the context.
// The error is an *Error, and the session is over then.
func (c *Conn) within(ctx context.Context, stage string, limit time.Duration, f func() error) error {
	if c.over {
		return &Error{Stage: stage, Err: ErrClosed}
	}
	if err := ctx.Err(); err != nil {
		return c.fail(ctx, stage, limit, err)
	}
	if !c.watched {
		defer context.AfterFunc(ctx, c.cut)()
	}
	limit = min(limit, c.patience)
	start := time.Now()
	c.wire.SetDeadline(start.Add(limit))
	err := f()
	c.patience -= time.Since(start)
	if err != nil {
		return c.fail(ctx, stage, limit, err)
	}
	return nil
}

// unasked ends the session if the server has said something when it was not its turn: whatever came next would be taken
// for the answer to something else.
func (c *Conn) unasked(ctx context.Context, stage string) error {
	if c.over || c.ahead != nil || c.r.Buffered() == 0 {
		return nil
	}
	return c.fail(ctx, stage, 0, &writeError{protocolError("it answered before it was asked")})
}

// fail ends the session and words the error.
func (c *Conn) fail(ctx context.Context, stage string, limit time.Duration, err error) error {
	e := &Error{Stage: stage, Err: err}
	var unsent *writeError
	switch {
	case ctx.Err() != nil:
		e.Err = ctx.Err()
	case errors.As(err, &unsent):
		if e.Reply, err = c.lastWords(stage); e.Reply != nil || isAlert(err) {
			e.Err = err
		}
	}
	if isTLS(e.Err) && (stage == StageHello || stage == StageGreeting) {
		e.Stage = StageTLS // TLS 1.3: a server that refuses the client says so only now
	}
	if errors.Is(e.Err, os.ErrDeadlineExceeded) {
		e.Err = fmt.Errorf("no progress within %v: %w", limit.Round(time.Millisecond), e.Err)
	}
	c.end()
	return e
}

// end closes the connection without a word.
func (c *Conn) end() {
	c.over = true
	c.wire.Close()
}

// isAlert tells a TLS alert that the remote sent.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// isTLS tells failures of TLS itself: an alert from either side, or something that is no TLS record.
func isTLS(err error) bool {
	var header tls.RecordHeaderError
	var op *net.OpError
	return errors.As(err, &header) || isAlert(err) || errors.As(err, &op) && op.Op == "local error"
}

// lastWords reads the reply that a server may have sent before it stopped to listen ("421 too busy", "552 too big").
// Where commands are pipelined only 421 is about the session: any other refusal may be of one recipient among many.
func (c *Conn) lastWords(stage string) (*Reply, error) {
	c.wire.SetDeadline(time.Now().Add(2 * time.Second))
	reply, err := readReply(c.r)
	pipelined := stage == StageMail || stage == StageRcpt
	if err != nil || !reply.Refusal() || pipelined && reply.Code != 421 {
		return nil, err
	}
	return &reply, nil
}

// writeError marks a failure to send, after which there may still be something to read.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

// flush sends what was written.
func (c *Conn) flush() error {
	if err := c.w.Flush(); err != nil {
		return &writeError{err}
	}
	return nil
}

// reply reads one reply. A 421 (the server hangs up, RFC 5321 section 3.8) is given as an error.
func (c *Conn) reply(ctx context.Context, stage string, limit time.Duration) (reply Reply, err error) {
	err = c.within(ctx, stage, limit, func() error {
		reply, err = readReply(c.r)
		return err
	})
	if err == nil && reply.Code == 421 {
		err = c.refused(stage, reply)
	}
	return reply, err
}

// command sends one line and reads the reply.
func (c *Conn) command(ctx context.Context, stage string, limit time.Duration, line string) (Reply, error) {
	err := c.within(ctx, stage, limit, func() error {
		if c.ahead != nil {
			return ErrAhead
		}
		c.w.WriteString(line)
		c.w.WriteString("\r\n")
		return c.flush()
	})
	if err != nil {
		return Reply{}, err
	}
	return c.reply(ctx, stage, limit)
}

// refused makes the error for a reply that says no, or that makes no sense at its place, which ends the session.
func (c *Conn) refused(stage string, reply Reply) error {
	e := &Error{Stage: stage, Reply: &reply}
	if !reply.Refusal() {
		e.Err = protocolError("code %d is no answer to this command", reply.Code)
	}
	if e.Err != nil || reply.Code == 421 {
		c.end()
	}
	return e
}
