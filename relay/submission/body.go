package submission

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Errors of a body. After errLost the client has been told and the connection is ended.
var (
	errTooLarge = errors.New("the message is over the size limit")
	errLost     = errors.New("the connection was lost within the message")
)

// body reads the content of a message up to the final dot, with doubled dots made single. Only CR LF ends a line here,
// and only a dot alone in such a line ends the message (RFC 5321, 4.1.1.4): no other sequence does, or one message
// could become two. A CR that is not before LF becomes a space; LF alone is left as it is.
type body struct {
	g         *guard
	lineStart bool
	afterCR   bool  // of a line end
	n, limit  int64 // bytes of content so far, and how many there may be
	received  int64 // bytes as they came
	waited    time.Duration
	err       error // io.EOF behind the final dot, or errLost
}

// openBody starts reading a message, behind go-smtp's 354.
func (g *guard) openBody() *body {
	g.settle()
	g.verb = "."
	g.setInBody(true)
	g.in.enlarge(&g.srv.buffers)
	return &body{g: g, lineStart: true, limit: g.srv.opts.MessageSize}
}

// Read gives content. errTooLarge says that there is more of it than allowed.
func (b *body) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && b.err == nil {
		step, ok := b.step(p[n:])
		n += step
		if ok {
			continue
		}
		if n > 0 {
			break // what is there should not wait for what is not
		}
		b.fill()
	}
	b.n += int64(n)
	if b.n > b.limit {
		return 0, errTooLarge
	}
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

// step takes one piece from the input: the rest of a line, or a part of a line end. It gives how many bytes it put in
// p, which is not empty. Not ok: what is there does not tell yet what it is.
func (b *body) step(p []byte) (n int, ok bool) {
	in := &b.g.in
	w := in.window()
	if len(w) == 0 {
		return 0, false
	}
	switch {
	case b.afterCR: // the LF was seen before the CR was taken
		b.afterCR, b.lineStart = false, true
		p[0] = '\n'
	case b.lineStart && w[0] == '.':
		return 0, b.dot(w)
	case w[0] == '\r' && len(w) == 1:
		return 0, false
	case w[0] == '\r':
		b.afterCR, b.lineStart = w[1] == '\n', false
		p[0] = ' '
		if b.afterCR {
			p[0] = '\r'
		}
	default:
		b.lineStart = false
		if i := bytes.IndexByte(w, '\r'); i >= 0 {
			w = w[:i]
		}
		n = copy(p, w)
		in.skip(n)
		return n, true
	}
	in.skip(1)
	return 1, true
}

// dot takes a dot at the start of a line, and with it the rest of the line if that ends the message.
func (b *body) dot(w []byte) (ok bool) {
	const end = ".\r\n"
	if len(w) < len(end) && bytes.HasPrefix([]byte(end), w) {
		return false
	}
	b.lineStart = false
	if bytes.HasPrefix(w, []byte(end)) {
		b.g.in.skip(len(end))
		b.err = io.EOF
		return true
	}
	b.g.in.skip(1)
	return true
}

// fill waits for more, within the bounds of limits.go. The client's fast bytes buy it time for slow ones.
func (b *body) fill() {
	t := &b.g.srv.opts.times
	granted := t.bodyGrace + time.Duration(b.received/bodyRate)*time.Second
	left := min(t.bodyIdle, granted-b.waited, t.bodyTotal-b.waited)
	before, start := len(b.g.in.window()), time.Now()
	err := b.g.await(start.Add(left))
	b.waited += time.Since(start)
	b.received += int64(len(b.g.in.window()) - before)
	if err == nil {
		return
	}
	b.err = errLost
	if errors.Is(err, os.ErrDeadlineExceeded) {
		b.g.say(421, "4.4.2", "Timeout within the message; nothing was queued")
	} else {
		b.g.say(421, "4.4.2", "Connection lost within the message; nothing was queued")
	}
	b.g.srv.opts.Log.Warn("client lost within a message", "client", clientText(b.g.client), "error", err)
	b.g.end()
}

// finish reads what is left of the message and hands go-smtp the final dot. A message far over the limit is not read to
// its end: the connection is closed.
func (b *body) finish() error {
	limit := b.limit
	b.limit = 2*limit + lingerBytes
	var scratch [4096]byte
	err := b.err
	for err == nil {
		_, err = b.Read(scratch[:])
	}
	b.g.in.shrink(&b.g.srv.buffers)
	b.g.setInBody(false)
	switch err {
	case io.EOF:
		b.g.feed = []byte(".\r\n")
		return nil
	case errTooLarge:
		e := tooLarge(limit)
		b.g.tally(".", errorLine(e))
		b.g.cutOff(e.Code, "5.3.4", e.Message+fmt.Sprint("; yours is over ", b.limit))
	}
	return errLost
}
