package smtpclient

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// FuzzDialogue leads a whole session with a server that says anything, though nothing that could pass for a handshake.
func FuzzDialogue(f *testing.F) {
	const (
		greeting = "220 mx.test\r\n|"
		taken    = "250 a\r\n|250 b\r\n|250 c\r\n|354 d\r\n|250 e\r\n|"
		offers   = "250-mx\r\n250-STARTTLS\r\n250-SIZE 100\r\n250-DSN\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250 "
	)
	for _, s := range []string{
		"", greeting, "554 no\r\n", greeting + "250 mx\r\n|" + taken + taken + "250 r\r\n|",
		greeting + "502 what\r\n|250 mx\r\n|" + taken,
		greeting + offers + "PIPELINING\r\n|454 no TLS\r\n|250 a\r\n250 b\r\n250 c\r\n354 d\r\n|250 e\r\n|250 a\r\n550 b\r\n550 c\r\n503 d\r\n|250 r\r\n|",
		greeting + offers + "CHUNKING\r\n|454 no TLS\r\n|" + taken + "500 what\r\n|250 r\r\n|" + taken,
		greeting + offers + "HELP\r\n|220 go\r\n|\x16\x03\x03\x00\x02\x02\x00|", greeting + offers + "HELP\r\n|220 go\r\n250 injected\r\n|",
		greeting + "250 mx\r\n|550 a\r\n|250 r\r\n|421 bye\r\n", greeting + "250 mx\r\n250 more\r\n|" + taken, greeting + "250-\x1b[2J\r\n250 \xff\u202e\r\n|2",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, says string) {
		tp := newTape(says)
		c := New(tp, Options{})
		converse(t, c, tp)
		c.Quit(t.Context())
		if !c.over || !tp.closed {
			t.Errorf("over %v, closed %v", c.over, tp.closed)
		}
		if tp.said > maxRead {
			t.Errorf("%d bytes were read", tp.said)
		}
		obedient(t, tp.out.String())
	})
}

// converse leads the session as far as it goes.
func converse(t *testing.T, c *Conn, tp *tape) {
	if _, err := c.Greeting(t.Context()); !good(t, c, err) {
		return
	}
	ext, err := c.Hello(t.Context(), "relay.test")
	if !good(t, c, err) {
		return
	}
	if ext.STARTTLS {
		state, _, err := c.StartTLS(t.Context(), clientTLS())
		if err == nil {
			t.Fatalf("a handshake: %+v", state)
		}
		if good(t, c, err); c.over {
			return
		}
	}
	for i := range 3 {
		env := func(i int) Envelope { return to(fmt.Sprintf("r%d@y.test", i), "s@y.test") }
		text := fmt.Sprintf("Text %d\r\n", i)
		res, err := c.Send(t.Context(), env(i), strings.NewReader(text), func() (Envelope, bool) { return env(i + 1), i < 2 })
		judge(t, c, tp, text, res, err)
		if !good(t, c, err) && !c.Ahead() && !good(t, c, c.Reset(t.Context())) {
			return
		}
	}
}

// good reports whether a step went well. If not, it looks at the error.
func good(t *testing.T, c *Conn, err error) bool {
	if err == nil {
		return true
	}
	var e *Error
	if !errors.As(err, &e) || e.Stage == "" {
		t.Fatalf("%v is no *Error", err)
	}
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	if text := e.Error(); len(text) > 1100 || strings.ContainsFunc(text, odd) {
		t.Errorf("error of %d bytes: %q", len(text), text)
	}
	if refusal := e.Reply != nil && e.Reply.Refusal() && e.Reply.Code != 421; !refusal && !c.over {
		t.Errorf("the session goes on after %v", err)
	}
	return false
}

// obedient checks the order of what went out, whatever the server said.
func obedient(t *testing.T, out string) {
	clear, shaken, handshake := strings.Cut(out, "STARTTLS\r\n\x16")
	if strings.Contains(shaken, "MAIL FROM") {
		t.Errorf("mail after a handshake that failed: %q", out)
	}
	if handshake && strings.Contains(clear, "MAIL FROM") {
		t.Errorf("mail before the handshake: %q", out)
	}
	if clear != "" && clear != "QUIT\r\n" && !strings.HasPrefix(clear, "EHLO relay.test\r\n") {
		t.Errorf("it does not begin with EHLO: %q", out)
	}
	for line := range strings.Lines(clear) {
		if !strings.HasSuffix(line, "\r\n") {
			t.Errorf("a line without end: %q", line)
		}
	}
	if before, after, said := strings.Cut(clear, "QUIT\r\n"); said && after != "" {
		t.Errorf("%q after QUIT, %q before", after, before)
	}
}
