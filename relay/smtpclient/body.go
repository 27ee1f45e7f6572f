package smtpclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// content sends the message and the final dot. It does not wait for the answer.
func (c *Conn) content(ctx context.Context, body io.Reader) error {
	if c.chunk == nil {
		c.chunk = make([]byte, writeBuffer)
	}
	out := bodyWriter{w: c.w, lineStart: true}
	for {
		n, err := body.Read(c.chunk)
		c.patience = min(c.timeouts.MaxSession, c.patience+time.Duration(n)*time.Second/minRate)
		if err := c.block(ctx, func() error { return out.write(c.chunk[:n]) }); err != nil {
			return err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			// The server must not see an end: it would take half a message for a whole one.
			return c.fail(ctx, StageData, 0, fmt.Errorf("%w: %w", ErrBody, err))
		}
	}
	return c.block(ctx, func() error {
		if err := out.end(); err != nil {
			return err
		}
		return c.w.Flush()
	})
}

// block runs one write of the message.
func (c *Conn) block(ctx context.Context, f func() error) error {
	return c.within(ctx, StageData, c.timeouts.Block, func() error {
		err := f()
		if err != nil && !errors.Is(err, ErrBody) {
			err = &writeError{err}
		}
		return err
	})
}

var errNUL = fmt.Errorf("%w: it has a NUL byte", ErrBody)

// bodyWriter writes message text in the one form that no server can misread (RFC 5321 section 2.3.8): each CR is
// followed by LF, each LF comes behind CR, there is no NUL, and a dot that begins a line is doubled.
type bodyWriter struct {
	w         *bufio.Writer
	lineStart bool // the next byte begins a line
	cr        bool // a CR was read and waits for what follows
}

func (b *bodyWriter) write(p []byte) error {
	for len(p) > 0 {
		if b.cr || p[0] == '\n' || p[0] == '\r' || b.lineStart && p[0] == '.' {
			n := b.special(p[0])
			p = p[n:]
			continue
		}
		n := bytes.IndexAny(p, "\r\n")
		if n < 0 {
			n = len(p)
		}
		if bytes.IndexByte(p[:n], 0) >= 0 {
			return errNUL
		}
		b.lineStart = false
		if _, err := b.w.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// special handles a byte at which the line may end or begin, and gives how many bytes (0 or 1) it used up. Write errors
// stay in the bufio.Writer.
func (b *bodyWriter) special(c byte) int {
	switch {
	case c == '\n':
		b.w.WriteString("\r\n")
		b.cr, b.lineStart = false, true
		return 1
	case b.cr: // stray
		b.w.WriteByte(' ')
		b.cr, b.lineStart = false, false
		return 0
	case c == '\r':
		b.cr = true
		return 1
	}
	b.w.WriteString("..")
	b.lineStart = false
	return 1
}

// end completes the last line and writes the final dot.
func (b *bodyWriter) end() error {
	if b.cr {
		b.special(0)
	}
	if !b.lineStart {
		b.w.WriteString("\r\n")
	}
	_, err := b.w.WriteString(".\r\n")
	return err
}
