package smtpclient

import (
	"context"
	"slices"
)

// An envelope ahead: where the server pipelines but does not take BDAT, the next message's MAIL, RCPT and DATA go out
// together with the final dot of the message before, and a kept session needs one round trip for each message. The text
// of the next message goes out only when the answer to that dot was read, so that never more than one message is of
// unknown fate.
//
// DATA was said then: the server may wait for a message for recipients that it has accepted. The session can only go on
// with that message. Even a lone dot would deliver something, an empty message, so any other way out is to close the
// connection, which delivers nothing.

// Ahead reports whether the envelope that next gave to the last Send was sent already. The next call must be Send for that
// same envelope, also if the last Send failed; any other ends the session.
func (c *Conn) Ahead() bool { return c.ahead != nil && !c.over }

// lookAhead asks the caller of Send for the next envelope and writes its commands behind the final dot, if they can go.
func (t *transaction) lookAhead() {
	c := t.c
	if t.next == nil || !c.ext.Pipelining || c.ext.Chunking {
		return
	}
	env, ok := t.next()
	if !ok || c.begin(env) != nil || c.ext.MaxSize > 0 && env.Size > c.ext.MaxSize {
		return
	}
	lines := env.commands(c.ext)
	if c.flight(lines, 0) < len(lines) {
		return
	}
	c.writeLines(lines)
	c.ahead = lines
}

// resume reports whether the envelope of these lines was sent ahead. If another one was, the session is over.
func (c *Conn) resume(ctx context.Context, lines []string) (bool, error) {
	if c.ahead == nil || c.over {
		return false, nil
	}
	if !slices.Equal(lines, c.ahead) {
		return false, c.fail(ctx, StageMail, 0, ErrAhead)
	}
	c.ahead = nil
	return true, nil
}
