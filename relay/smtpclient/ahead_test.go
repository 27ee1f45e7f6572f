package smtpclient

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// to makes an envelope for some recipients, and then one that follows.
func to(recipients ...string) Envelope { return Envelope{From: "a@x.test", To: recipients} }

func then(env Envelope) func() (Envelope, bool) { return func() (Envelope, bool) { return env, true } }

// The second message of these tests is for c@y.test.
const (
	first    = mailAB + rcptB + "C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: one\n"
	dotAhead = "C: .\n" + mailAB + rcptC + "C: DATA\n"
	ok2      = "S: 250 ok\nS: 250 ok\n"
)

// TestAhead has what may happen to a message and the one that follows. The server sees the second envelope before it
// answers the dot, and the second text only after that.
func TestAhead(t *testing.T) {
	tests := []struct {
		name, script string
		ahead        bool
		one, two     func(t *testing.T, res Result, err error)
	}{
		{"both taken", first + dotAhead + "S: 250 one\n" + ok2 + "S: 354 go\nC: two\nC: .\nS: 250 two\n" + quit,
			true, taken("250 one"), taken("250 two")},
		{"both taken, all replies at once", first + dotAhead + `S: 250 one\r\n250 ok\r\n250 ok\r\n354 go` + "\nC: two\nC: .\nS: 250 two\n" + quit,
			true, taken("250 one"), taken("250 two")},
		{"first refused for good", first + dotAhead + "S: 554 spam\n" + ok2 + "S: 354 go\nC: two\nC: .\nS: 250 two\n" + quit,
			true, refusedAt(StageDot, 554, nil), taken("250 two")},
		{"first refused for now", first + dotAhead + "S: 451 later\n" + ok2 + "S: 354 go\nC: two\nC: .\nS: 250 two\n" + quit,
			true, refusedAt(StageDot, 451, nil), taken("250 two")},
		{"421 to the dot", first + dotAhead + "S: 421 bye\nCLOSE",
			false, refusedAt(StageDot, 421, nil), refusedAt(StageMail, 0, ErrClosed)},
		{"nonsense to the dot", first + dotAhead + "S: 354 what",
			false, refusedAt(StageDot, 354, ErrProtocol), refusedAt(StageMail, 0, ErrClosed)},
		{"lost at the dot", first + dotAhead + "CLOSE",
			false, refusedAt(StageDot, 0, io.EOF), refusedAt(StageMail, 0, ErrClosed)},
		{"421 to the next MAIL", first + dotAhead + "S: 250 one\nS: 421 enough\nCLOSE",
			true, taken("250 one"), refusedAt(StageMail, 421, nil)},
		{"lost at the next MAIL", first + dotAhead + "S: 250 one\nCLOSE",
			true, taken("250 one"), refusedAt(StageMail, 0, io.EOF)},
		{"next MAIL refused", first + dotAhead + "S: 250 one\nS: 550 no\nS: 503 no\nS: 503 no\n" + quit,
			true, taken("250 one"), refusedAt(StageMail, 550, nil)},
		{"next recipient refused", first + dotAhead + "S: 250 one\nS: 250 ok\nS: 550 no\nS: 554 no\n" + quit,
			true, taken("250 one"), refusedAt(StageRcpt, 550, ErrNoRecipients)},
		{"next recipient refused, yet 354", first + dotAhead + "S: 250 one\nS: 250 ok\nS: 550 no\nS: 354 go\nC: .\nS: 554 no\n" + quit,
			true, taken("250 one"), refusedAt(StageRcpt, 550, ErrNoRecipients)},
		{"next DATA refused", first + dotAhead + "S: 250 one\n" + ok2 + "S: 451 no\n" + quit,
			true, taken("250 one"), refusedAt(StageData, 451, nil)},
		{"an answer to the text before the text", first + dotAhead + "S: 250 one\n" + ok2 + `S: 354 go\r\n250 two`,
			true, taken("250 one"), refusedAt(StageData, 0, ErrProtocol)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := greeted(t, "PIPELINING", tt.script)
			res, err := c.Send(t.Context(), to("b@y.test"), strings.NewReader("one\r\n"), then(to("c@y.test")))
			tt.one(t, res, err)
			if c.Ahead() != tt.ahead {
				t.Fatalf("ahead is %v, want %v", c.Ahead(), tt.ahead)
			}
			res, err = c.Send(t.Context(), to("c@y.test"), strings.NewReader("two\r\n"), nil)
			tt.two(t, res, err)
			if c.Ahead() {
				t.Error("ahead of what?")
			}
			c.Quit(t.Context())
		})
	}
}

func taken(reply string) func(*testing.T, Result, error) {
	return func(t *testing.T, res Result, err error) {
		t.Helper()
		if err != nil || res.Dot.Text() != reply || !res.Rcpt[0].Positive() {
			t.Fatalf("%+v, %v; want %q", res, err, reply)
		}
	}
}

func refusedAt(stage string, code int, reason error) func(*testing.T, Result, error) {
	return func(t *testing.T, _ Result, err error) {
		t.Helper()
		e := wantError(t, err, stage, code, reason)
		if want := stage == StageDot && code < 400; e.MayBeDelivered() != want {
			t.Errorf("MayBeDelivered %v, want %v", e.MayBeDelivered(), want)
		}
	}
}

// TestNotAhead: the next envelope stays here if the server could not take it, or it would not fit a flight.
func TestNotAhead(t *testing.T) {
	many := to()
	for range flightCommands {
		many.To = append(many.To, "b@y.test")
	}
	plain := to("b@y.test")
	tests := []struct {
		name, extensions string
		env              Envelope
		ok               bool
	}{
		{"there is none", "PIPELINING", Envelope{}, false},
		{"no PIPELINING", "", plain, true},
		{"no recipient", "PIPELINING", to(), true},
		{"bad address", "PIPELINING", to("b@y.test>\r\nRCPT TO:<v@y.test"), true},
		{"no 8BITMIME", "PIPELINING", Envelope{To: plain.To, EightBit: true}, true},
		{"no SMTPUTF8", "PIPELINING", Envelope{To: plain.To, SMTPUTF8: true}, true},
		{"too large", "PIPELINING SIZE_1000", Envelope{To: plain.To, Size: 1001}, true},
		{"too many recipients", "PIPELINING", many, true},
		{"too long", "PIPELINING", to(strings.Repeat("b", maxPath-10)+"@y.test", strings.Repeat("c", flightBytes)), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			script := first
			if tt.extensions == "" {
				script = mailAB + "S: 250 ok\n" + rcptB + "S: 250 ok\nC: DATA\nS: 354 go\nC: one\n"
			}
			c := greeted(t, tt.extensions, script+"C: .\nS: 250 ok\n"+quit)
			next := func() (Envelope, bool) { return tt.env, tt.ok }
			if _, err := c.Send(t.Context(), plain, strings.NewReader("one\r\n"), next); err != nil {
				t.Fatal(err)
			}
			if c.Ahead() || !c.Alive() {
				t.Errorf("ahead %v, alive %v", c.Ahead(), c.Alive())
			}
			c.Quit(t.Context())
		})
	}
}

// TestAheadOfAnother: once an envelope is ahead, anything else ends the session, and without another word: the server may
// wait for a message, and must not take anything for one.
func TestAheadOfAnother(t *testing.T) {
	ways := map[string]func(c *Conn) error{
		"another envelope": func(c *Conn) error {
			_, err := c.Send(t.Context(), to("d@y.test"), strings.NewReader("no\r\n"), nil)
			return err
		},
		"one recipient more": func(c *Conn) error {
			_, err := c.Send(t.Context(), to("c@y.test", "d@y.test"), strings.NewReader("no\r\n"), nil)
			return err
		},
		"reset": func(c *Conn) error { return c.Reset(t.Context()) },
		"hello": func(c *Conn) error { _, err := c.Hello(t.Context(), "again"); return err },
		"quit":  func(c *Conn) error { c.Quit(t.Context()); return &Error{Err: ErrAhead} },
	}
	for name, do := range ways {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 1)
			c := introduce(t, New(serve(t, func(p *peer) {
				p.greet("PIPELINING")
				p.play(first + dotAhead + "S: 250 one\n" + ok2 + "S: 354 go")
				got <- p.rest()
			}), Options{}))
			_, err := c.Send(t.Context(), to("b@y.test"), strings.NewReader("one\r\n"), then(to("c@y.test")))
			if err != nil || !c.Ahead() {
				t.Fatalf("ahead %v, %v", c.Ahead(), err)
			}
			err = do(c)
			if e := wantError(t, err, err.(*Error).Stage, 0, ErrAhead); e.MayBeDelivered() {
				t.Error("nothing can have been delivered")
			}
			if diff := cmp.Diff("", <-got); diff != "" {
				t.Errorf("the server got words: %s", diff)
			}
			if c.Ahead() || c.Alive() {
				t.Error("the session goes on")
			}
		})
	}
}

// TestUnasked: a reply more than there were commands ends the session before it is taken for the answer to something else.
func TestUnasked(t *testing.T) {
	const round = mailAB + rcptB + "C: DATA\n" + ok2 + "S: 354 go\nC: one\nC: .\n"
	tests := []struct {
		name, script string
		sends, code  int
		reason       error
	}{
		{"behind the reply to the dot", round + `S: 250 ok\r\n250 ok`, 1, 0, ErrProtocol},
		{"421 behind it", round + `S: 250 ok\r\n421 bye`, 1, 421, nil},
		{"refusal behind it", round + `S: 250 ok\r\n550 no`, 1, 0, ErrProtocol},
		{"before the text", mailAB + rcptB + "C: DATA\n" + ok2 + `S: 354 go\r\n250 ok`, 0, 0, ErrProtocol},
		{"refusal before the text", mailAB + rcptB + "C: DATA\n" + ok2 + `S: 354 go\r\n552 no`, 0, 552, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := greeted(t, "PIPELINING", tt.script)
			var err error
			for range tt.sends + 1 {
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.Send(t.Context(), to("b@y.test"), strings.NewReader("one\r\n"), nil)
			}
			stage := StageMail
			if tt.sends == 0 {
				stage = StageData
			}
			if e := wantError(t, err, stage, tt.code, tt.reason); e.MayBeDelivered() {
				t.Error("it was not delivered")
			}
		})
	}
}
