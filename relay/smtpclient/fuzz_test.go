package smtpclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// tape is a connection to a server that says the next piece of its text whenever it is listened to, whatever the client
// has said.
type tape struct {
	net.Conn // none
	pieces   []string
	out      bytes.Buffer
	closed   bool
	heard    int // what was in out at the last read
	said     int // bytes
}

// newTape has the pieces of a text that ends each of them with "|".
func newTape(says string) *tape {
	t := &tape{pieces: strings.SplitAfter(says, "|")}
	for i, p := range t.pieces {
		t.pieces[i] = strings.TrimSuffix(p, "|")
	}
	return t
}

func (t *tape) Read(b []byte) (int, error) {
	if t.closed {
		return 0, net.ErrClosed
	}
	if len(t.pieces) == 0 {
		return 0, io.EOF
	}
	t.heard = t.out.Len()
	n := copy(b, t.pieces[0])
	t.said += n
	if t.pieces[0] = t.pieces[0][n:]; t.pieces[0] == "" {
		t.pieces = t.pieces[1:]
	}
	return n, nil
}

func (t *tape) Write(b []byte) (int, error) {
	if t.closed {
		return 0, net.ErrClosed
	}
	return t.out.Write(b)
}

func (t *tape) Close() error                     { t.closed = true; return nil }
func (t *tape) SetDeadline(time.Time) error      { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }

// ends counts how often the whole of a message went out since the last RSET.
func (t *tape) ends(text string) int {
	out := t.out.String()
	out = out[strings.LastIndex(out, "RSET\r\n")+1:]
	bdat := fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text)
	return strings.Count(out, bdat) + strings.Count(out, text+".\r\n")
}

// FuzzSend sends three messages to a server that says anything.
func FuzzSend(f *testing.F) {
	const taken = "250 a\r\n|250 b\r\n|250 c\r\n|250 d\r\n|"
	for _, way := range []byte{0, 1, 2, 3} {
		for _, s := range []string{
			"", taken + taken + taken, "250 a\r\n|250 b\r\n|354 c\r\n|250 d\r\n|250 a\r\n|250 b\r\n|354 c\r\n|250 d\r\n|",
			"250 a\r\n250 b\r\n250 c\r\n|250 a\r\n250 b\r\n250 c\r\n|", "250 a\r\n250 b\r\n500 c\r\n|250 r\r\n|250 a\r\n250 b\r\n354 c\r\n|250 d\r\n",
			"250 a\r\n550 b\r\n354 c\r\n|250 a\r\n", "550 a\r\n503 b\r\n503 c\r\n|250 r\r\n|" + taken, "250 a\r\n250 b\r\n354 c\r\n|554 d\r\n250 a\r\n250 b\r\n354 c\r\n|421 d\r\n",
			"250-a\r\n|250 b\r\n421 c\r\n|", "354 a\r\n|", "250 a\r\n250 b\r\n354 c\r\n250 d\r\n|250 a\r\n", "250 a\r\n|2",
		} {
			f.Add(way, s)
		}
	}
	f.Fuzz(func(t *testing.T, way byte, says string) {
		tp := newTape(says)
		c := New(tp, Options{})
		c.ext = Extensions{Pipelining: way&1 != 0, Chunking: way&2 != 0}
		for i := range 3 {
			env := func(i int) Envelope { return to(fmt.Sprintf("r%d@y.test", i), "s@y.test") }
			next := func() (Envelope, bool) { return env(i + 1), i < 2 }
			text := fmt.Sprintf("Text %d\r\n", i)
			res, err := c.Send(t.Context(), env(i), strings.NewReader(text), next)
			judge(t, c, tp, text, res, err)
			if err != nil && !c.Ahead() && c.Reset(t.Context()) != nil {
				break
			}
		}
		if c.over != tp.closed {
			t.Errorf("over %v, closed %v", c.over, tp.closed)
		}
	})
}

// judge checks what Send says of a message against what went out.
func judge(t *testing.T, c *Conn, tp *tape, text string, res Result, err error) {
	ends := tp.ends(text)
	if err == nil {
		accepted := res.Rcpt[0].Positive() || res.Rcpt[1].Positive()
		if !res.Mail.Positive() || !accepted || !res.Dot.Positive() || res.Data.Code != 354 && res.Data.Code != 0 {
			t.Fatalf("taken, but %+v", res)
		}
		if ends != 1 || tp.heard != tp.out.Len() {
			t.Fatalf("taken after %d ends, the last answer after %d of %d bytes: %q", ends, tp.heard, tp.out.Len(), tp.out.String())
		}
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *Error", err)
	}
	refusal := e.Reply != nil && e.Reply.Refusal()
	switch {
	case e.MayBeDelivered() && (ends == 0 || !c.over || refusal):
		t.Fatalf("%v: may be delivered after %d ends, over %v", err, ends, c.over)
	case !e.MayBeDelivered() && ends > 0 && !refusal:
		t.Fatalf("%v: certainly not delivered, after %d ends", err, ends)
	case ends > 1:
		t.Fatalf("%d ends", ends)
	}
}
