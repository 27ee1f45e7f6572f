package smtpclient

import (
	"context"
	"io"
)

// A flight is what goes out before we wait for answers (RFC 2920). Its bounds keep both sides from filling up the
// connection with words that nobody reads.
const (
	flightCommands = 100
	flightBytes    = 12 << 10
)

// Send makes one transaction. Without an error the server took the message for those recipients whose reply in
// Result.Rcpt is positive, at least one; the others were refused. With an *Error nobody got it (but see
// Error.MayBeDelivered): a recipient whose own reply is a refusal has that for a reason, all others the error.
//
// The body is sent line by line as RFC 5321 wants it: lines end in CRLF (a bare LF becomes one, a CR elsewhere a space)
// and leading dots are doubled. A small one goes with BDAT where that is offered. If it cannot be read to its end, or
// holds NUL, the connection is cut and the error is ErrBody. After a refusal the session can go on with Reset.
//
// The caller who knows which message comes next says so in next, which may be nil and must not block: it is asked right
// before the final dot goes out, and the envelope that it gives may go out with that, see Ahead.
func (c *Conn) Send(ctx context.Context, env Envelope, body io.Reader, next func() (Envelope, bool)) (Result, error) {
	stop := context.AfterFunc(ctx, c.cut)
	c.watched = true
	defer func() { c.watched = false; stop() }()
	t := &transaction{c: c, ctx: ctx, next: next, res: Result{Rcpt: make([]Reply, len(env.To))}}
	t.scratch = scratches.Get().(*scratch)
	defer scratches.Put(t.scratch)
	c.patience += c.timeouts.additional(env.Size)
	err := t.run(env, body)
	if err == nil {
		c.patience, c.wire.left = c.timeouts.MaxSession, maxRead
	}
	return t.res, err
}

// transaction is one Send under way.
type transaction struct {
	c        *Conn
	ctx      context.Context
	next     func() (Envelope, bool)
	scratch  *scratch
	lines    []string // MAIL, RCPT for each recipient, DATA or BDAT
	chunked  bool     // it is BDAT, for scratch.chunk
	sent     bool     // all of that went out
	res      Result
	accepted int   // recipients
	refused  error // the answer to MAIL, if it is no
	lastRcpt Reply // latest refusal of a recipient
}

func (t *transaction) run(env Envelope, body io.Reader) error {
	c := t.c
	t.lines = env.commands(c.ext)
	ahead, err := c.resume(t.ctx, t.lines)
	if err == nil && !ahead {
		err = c.begin(env)
	}
	if err == nil && c.ext.Chunking {
		body, err = t.prepareChunk(body)
	}
	if err == nil {
		err = t.envelope(ahead)
	}
	if t.chunked {
		return t.withoutChunks(env, err)
	}
	if err == nil {
		err = t.content(body)
	}
	if err == nil {
		err = t.finish()
	}
	return err
}

// begin checks the envelope, before a word of it goes out.
func (c *Conn) begin(env Envelope) error {
	if err := env.check(); err != nil {
		return err
	}
	return c.lacks(env)
}

// lacks tells what the server would have to offer to take the message.
func (c *Conn) lacks(env Envelope) error {
	switch {
	case env.EightBit && !c.ext.EightBitMIME:
		return &Error{Stage: StageMail, Err: ErrEightBit}
	case env.SMTPUTF8 && !c.ext.SMTPUTF8:
		return &Error{Stage: StageMail, Err: ErrSMTPUTF8}
	}
	return nil
}

// finish sends the final dot, perhaps with the next envelope, and reads the answer to the dot.
func (t *transaction) finish() error {
	c := t.c
	if err := c.unasked(t.ctx, StageData); err != nil {
		return err
	}
	err := c.block(t.ctx, func() error {
		c.w.WriteString(".\r\n")
		t.lookAhead()
		return c.w.Flush()
	})
	if err != nil {
		return err
	}
	if t.res.Dot, err = c.reply(t.ctx, StageDot, c.timeouts.Dot); err != nil {
		return err
	}
	if !t.res.Dot.Positive() {
		return c.refused(StageDot, t.res.Dot)
	}
	return nil
}

// envelope sends the commands flight by flight, unless they were sent ahead, and gives nil when the server waits for the
// message.
func (t *transaction) envelope(ahead bool) error {
	lines := t.lines
	for next := 0; next < len(lines); {
		if next == len(lines)-1 && t.accepted == 0 {
			break // only DATA is left, and nobody to send to
		}
		end := len(lines)
		if !ahead {
			end = t.c.flight(lines, next)
			if err := t.dispatch(next, end); err != nil {
				return err
			}
		}
		for ; next < end; next++ {
			if err := t.answer(next); err != nil {
				return err
			}
		}
		if t.refused != nil {
			break
		}
	}
	return t.conclude()
}

// flight gives the end of the flight that begins at line next. It always holds a line.
func (c *Conn) flight(lines []string, next int) int {
	if !c.ext.Pipelining {
		return next + 1
	}
	end, size := next, 0
	for end < len(lines) && end-next < flightCommands {
		size += len(lines[end]) + 2
		if size > flightBytes && end > next {
			break
		}
		end++
	}
	return end
}

// dispatch sends the lines of a flight, the message behind BDAT included, in one write if they fit.
func (t *transaction) dispatch(from, end int) error {
	c, withText := t.c, t.chunked && end == len(t.lines)
	if err := c.unasked(t.ctx, StageMail); err != nil {
		return err
	}
	err := c.within(t.ctx, t.stage(from), c.timeouts.Command, func() error {
		c.writeLines(t.lines[from:end])
		if withText {
			c.w.Write(t.scratch.chunk)
		}
		return c.flush()
	})
	t.sent = withText && err == nil
	return err
}

// writeLines puts commands into the buffer, which keeps the error.
func (c *Conn) writeLines(lines []string) {
	for _, line := range lines {
		c.w.WriteString(line)
		c.w.WriteString("\r\n")
	}
}

// stage tells what line i is.
func (t *transaction) stage(i int) string {
	switch i {
	case 0:
		return StageMail
	case len(t.lines) - 1:
		return StageData
	}
	return StageRcpt
}
