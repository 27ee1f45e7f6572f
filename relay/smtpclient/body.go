package smtpclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// scratch is room for a message on its way. Idle sessions have none.
type scratch struct {
	raw   []byte // as read
	wire  []byte // as sent
	chunk []byte // the whole of a small one, as sent
}

var scratches = sync.Pool{New: func() any {
	return &scratch{raw: make([]byte, writeBuffer), wire: make([]byte, 0, writeBuffer+writeBuffer/8)}
}}

// content sends the message up to its last line end. What ends it, the final dot, is for the caller to send.
func (t *transaction) content(body io.Reader) error {
	c, s := t.c, t.scratch
	text := wireText{dots: true, lineStart: true}
	for {
		n, err := body.Read(s.raw)
		werr := c.block(t.ctx, func() error {
			wire, err := text.append(s.wire[:0], s.raw[:n])
			return c.write(wire, err)
		})
		if werr != nil {
			return werr
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return t.unreadable(err)
		}
	}
	return c.block(t.ctx, func() error { return c.write(text.end(s.wire[:0]), nil) })
}

// unreadable ends the session: the server must not see an end, it would take half a message for a whole one.
func (t *transaction) unreadable(err error) error {
	return t.c.fail(t.ctx, StageData, 0, fmt.Errorf("%w: %w", ErrBody, err))
}

// write puts p into the buffer unless making it failed.
func (c *Conn) write(p []byte, err error) error {
	if err == nil {
		_, err = c.w.Write(p)
	}
	return err
}

// block runs one write of the message.
func (c *Conn) block(ctx context.Context, f func() error) error {
	limit := max(0, min(c.timeouts.Block, c.patience-c.timeouts.forDot()))
	return c.within(ctx, StageData, limit, func() error {
		err := f()
		if err != nil && !errors.Is(err, ErrBody) {
			err = &writeError{err}
		}
		return err
	})
}

var errNUL = fmt.Errorf("%w: it has a NUL byte", ErrBody)

// wireText brings message text into the one form that no server can misread (RFC 5321 section 2.3.8): each CR is followed
// by LF, each LF comes behind CR, and there is no NUL. For DATA a dot that begins a line is doubled, too.
type wireText struct {
	dots      bool // double them
	lineStart bool // the next byte begins a line
	cr        bool // a CR was read and waits for what follows
}

// append adds the wire form of p, which may begin and end anywhere in the text, to dst.
func (t *wireText) append(dst, p []byte) ([]byte, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		return dst, errNUL
	}
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n') + 1
		if n == 0 {
			n = len(p)
		}
		dst = t.line(dst, p[:n])
		p = p[n:]
	}
	return dst, nil
}

// line adds a piece of text that has no LF but perhaps its last byte.
func (t *wireText) line(dst, s []byte) []byte {
	s, ended := bytes.CutSuffix(s, []byte("\n"))
	if t.cr && (!ended || len(s) > 0) {
		dst = t.stray(dst)
	}
	s, t.cr = bytes.CutSuffix(s, []byte("\r"))
	if t.dots && t.lineStart && len(s) > 0 && s[0] == '.' {
		dst = append(dst, '.')
	}
	dst = append(dst, s...)
	if bytes.IndexByte(s, '\r') >= 0 {
		spaced(dst[len(dst)-len(s):])
	}
	t.lineStart = t.lineStart && len(s) == 0
	if ended {
		dst = append(dst, "\r\n"...)
		t.cr, t.lineStart = false, true
	}
	return dst
}

// stray makes a CR without LF a space.
func (t *wireText) stray(dst []byte) []byte {
	t.cr, t.lineStart = false, false
	return append(dst, ' ')
}

func spaced(s []byte) {
	for i, b := range s {
		if b == '\r' {
			s[i] = ' '
		}
	}
}

// rest is what was read and is not in the wire form yet.
func (t *wireText) rest() string {
	if t.cr {
		return "\r"
	}
	return ""
}

// end completes the last line.
func (t *wireText) end(dst []byte) []byte {
	if t.cr {
		dst = t.stray(dst)
	}
	if !t.lineStart {
		dst = append(dst, "\r\n"...)
		t.lineStart = true
	}
	return dst
}
