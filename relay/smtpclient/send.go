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
// and leading dots are doubled. If it cannot be read to its end, or holds NUL, the connection is cut and the error is
// ErrBody. After a refusal the session can go on with Reset.
func (c *Conn) Send(ctx context.Context, env Envelope, body io.Reader) (Result, error) {
	t := &transaction{c: c, ctx: ctx, res: Result{Rcpt: make([]Reply, len(env.To))}}
	if err := env.check(); err != nil {
		return t.res, err
	}
	if env.EightBit && !c.ext.EightBitMIME {
		return t.res, &Error{Stage: StageMail, Err: ErrEightBit}
	}
	if env.SMTPUTF8 && !c.ext.SMTPUTF8 {
		return t.res, &Error{Stage: StageMail, Err: ErrSMTPUTF8}
	}
	if err := t.envelope(env.commands(c.ext)); err != nil {
		return t.res, err
	}
	if err := c.content(ctx, body); err != nil {
		return t.res, err
	}
	var err error
	t.res.Dot, err = c.reply(ctx, StageDot, c.timeouts.Dot)
	if err != nil {
		return t.res, err
	}
	if !t.res.Dot.Positive() {
		return t.res, c.refused(StageDot, t.res.Dot)
	}
	c.patience, c.wire.left = c.timeouts.MaxSession, maxRead
	return t.res, nil
}

// transaction is one Send under way.
type transaction struct {
	c        *Conn
	ctx      context.Context
	res      Result
	accepted int   // recipients
	refused  error // the answer to MAIL, if it is no
	lastRcpt Reply // latest refusal of a recipient
}

// envelope sends the commands flight by flight, and gives nil when the server waits for the message.
func (t *transaction) envelope(lines []string) error {
	for next := 0; next < len(lines); {
		if next == len(lines)-1 && t.accepted == 0 {
			break // only DATA is left, and nobody to send to
		}
		end := t.c.flight(lines, next)
		if err := t.dispatch(lines[next:end], stageOf(next, lines)); err != nil {
			return err
		}
		for ; next < end; next++ {
			if err := t.answer(next, lines); err != nil {
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

// dispatch sends the lines of a flight, in one write if they fit.
func (t *transaction) dispatch(lines []string, stage string) error {
	return t.c.within(t.ctx, stage, t.c.timeouts.Command, func() error {
		for _, line := range lines {
			t.c.w.WriteString(line)
			t.c.w.WriteString("\r\n")
		}
		return t.c.flush()
	})
}

// stageOf tells what line i is.
func stageOf(i int, lines []string) string {
	switch i {
	case 0:
		return StageMail
	case len(lines) - 1:
		return StageData
	}
	return StageRcpt
}

// answer reads the reply to line i. It gives an error only if the session cannot go on, for the replies to the rest of
// the flight must be read whatever this one says.
func (t *transaction) answer(i int, lines []string) error {
	stage := stageOf(i, lines)
	limit := t.c.timeouts.Command
	if stage == StageData {
		limit = t.c.timeouts.Data
	}
	reply, err := t.c.reply(t.ctx, stage, limit)
	if err != nil {
		if t.refused != nil {
			return t.refused // what went wrong first
		}
		return err
	}
	switch {
	case stage == StageData:
		t.res.Data = reply
		if reply.Code != 354 && !reply.Refusal() {
			return t.c.refused(stage, reply)
		}
	case !reply.Positive() && !reply.Refusal():
		return t.c.refused(stage, reply)
	case stage == StageMail:
		t.res.Mail = reply
		if reply.Refusal() {
			t.refused = t.c.refused(stage, reply)
		}
	case t.refused != nil:
		// "503 need MAIL first" is about us, not about the recipient.
	case reply.Refusal():
		t.res.Rcpt[i-1], t.lastRcpt = reply, reply
	default:
		t.res.Rcpt[i-1] = reply
		t.accepted++
	}
	return nil
}

// conclude looks at what the server said to all of the envelope.
func (t *transaction) conclude() error {
	waiting := t.res.Data.Code == 354
	switch {
	case t.refused != nil:
		t.endEmpty(waiting)
		return t.refused
	case t.accepted == 0:
		t.endEmpty(waiting)
		return &Error{Stage: StageRcpt, Reply: &t.lastRcpt, Err: ErrNoRecipients}
	case !waiting:
		return t.c.refused(StageData, t.res.Data)
	}
	return nil
}

// endEmpty satisfies a server that waits for a message although it refused the envelope (RFC 2920 section 3.1).
func (t *transaction) endEmpty(waiting bool) {
	if waiting {
		t.res.Data = Reply{}
		t.c.command(t.ctx, StageData, t.c.timeouts.Data, ".") // it has nobody to deliver to, whatever it says
	}
}
