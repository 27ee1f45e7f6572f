package smtpclient

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// codes are the codes of replies, for comparison.
func codes(replies []Reply) []int {
	var list []int
	for _, r := range replies {
		list = append(list, r.Code)
	}
	return list
}

const (
	mailAB = "C: MAIL FROM:<a@x.test>\n"
	rcptB  = "C: RCPT TO:<b@y.test>\n"
	rcptC  = "C: RCPT TO:<c@y.test>\n"
	text   = "S: 354 go\nC: Hi\nC: ..\nC: .\n"
	quit   = "C: QUIT"
)

func TestSend(t *testing.T) {
	const (
		flight = mailAB + rcptB + rcptC + "C: DATA\n"
		ok3    = "S: 250 ok\nS: 250 ok\nS: 250 ok\n"
		taken  = "S: 250 2.0.0 taken\n" + quit
		stepB  = mailAB + "S: 250 ok\n" + rcptB
	)
	tests := []struct {
		name, extensions, script string
		mail                     int
		rcpt                     []int
		data, dot                int
		stage                    string // of the error, "" without
		code                     int
		reason                   error
	}{
		{"lock step", "", stepB + "S: 250 ok\n" + rcptC + "S: 251 ok\nC: DATA\n" + text + taken,
			250, []int{250, 251}, 354, 250, "", 0, nil},
		{"pipelined", "PIPELINING", flight + ok3 + text + taken,
			250, []int{250, 250}, 354, 250, "", 0, nil},

		{"some refused, lock step", "", stepB + "S: 550 no\n" + rcptC + "S: 250 ok\nC: DATA\n" + text + taken,
			250, []int{550, 250}, 354, 250, "", 0, nil},
		{"some refused, pipelined", "PIPELINING", flight + "S: 250 ok\nS: 250 ok\nS: 452 full\n" + text + taken,
			250, []int{250, 452}, 354, 250, "", 0, nil},

		{"all refused, lock step", "", stepB + "S: 550 no\n" + rcptC + "S: 450 no\n" + quit,
			250, []int{550, 450}, 0, 0, StageRcpt, 450, ErrNoRecipients},
		{"all refused, pipelined", "PIPELINING", flight + "S: 250 ok\nS: 550 no\nS: 450 no\nS: 554 nobody\n" + quit,
			250, []int{550, 450}, 554, 0, StageRcpt, 450, ErrNoRecipients},
		{"all refused, yet 354", "PIPELINING", flight + "S: 250 ok\nS: 550 no\nS: 550 no\nS: 354 go\nC: .\n" + taken,
			250, []int{550, 550}, 0, 0, StageRcpt, 550, ErrNoRecipients},

		{"MAIL refused, lock step", "", mailAB + "S: 550 5.7.1 no\n" + quit,
			550, []int{0, 0}, 0, 0, StageMail, 550, nil},
		{"MAIL refused, pipelined", "PIPELINING", flight + "S: 550 5.7.1 no\nS: 503 a\nS: 503 b\nS: 503 c\n" + quit,
			550, []int{0, 0}, 503, 0, StageMail, 550, nil},
		{"MAIL refused, yet 354", "PIPELINING", flight + "S: 450 no\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: .\n" + taken,
			450, []int{0, 0}, 0, 0, StageMail, 450, nil},

		{"DATA refused, lock step", "", stepB + "S: 250 ok\n" + rcptC + "S: 250 ok\nC: DATA\nS: 451 no\n" + quit,
			250, []int{250, 250}, 451, 0, StageData, 451, nil},
		{"DATA refused, pipelined", "PIPELINING", flight + ok3 + "S: 554 no\n" + quit,
			250, []int{250, 250}, 554, 0, StageData, 554, nil},
		{"refused at the end", "PIPELINING", flight + ok3 + text + "S: 554 spam\n" + quit,
			250, []int{250, 250}, 354, 554, StageDot, 554, nil},

		{"421 to MAIL", "PIPELINING", flight + "S: 421 busy\nCLOSE", 421, []int{0, 0}, 0, 0, StageMail, 421, nil},
		{"421 to RCPT", "PIPELINING", flight + "S: 250 ok\nS: 250 ok\nS: 421 busy\nCLOSE",
			250, []int{250, 0}, 0, 0, StageRcpt, 421, nil},
		{"421 to RCPT, lock step", "", stepB + "S: 421 busy\nCLOSE", 250, []int{0, 0}, 0, 0, StageRcpt, 421, nil},
		{"421 to DATA", "PIPELINING", flight + ok3 + "S: 421 busy\nCLOSE",
			250, []int{250, 250}, 421, 0, StageData, 421, nil},
		{"421 to the dot", "PIPELINING", flight + ok3 + text + "S: 421 busy\nCLOSE",
			250, []int{250, 250}, 354, 421, StageDot, 421, nil},
		{"421 after a refusal", "PIPELINING", flight + "S: 550 no\nS: 421 too many errors\nCLOSE",
			550, []int{0, 0}, 0, 0, StageMail, 550, nil},

		{"354 to MAIL", "", mailAB + "S: 354 go", 0, []int{0, 0}, 0, 0, StageMail, 354, ErrProtocol},
		{"354 to RCPT", "", stepB + "S: 354 go", 250, []int{0, 0}, 0, 0, StageRcpt, 354, ErrProtocol},
		{"250 to DATA", "PIPELINING", flight + ok3 + "S: 250 ok",
			250, []int{250, 250}, 250, 0, StageData, 250, ErrProtocol},
		{"354 to the dot", "PIPELINING", flight + ok3 + text + "S: 354 go",
			250, []int{250, 250}, 354, 354, StageDot, 354, ErrProtocol},
		{"mixed codes", "", mailAB + "S: 250-ok\nS: 550 no", 0, []int{0, 0}, 0, 0, StageMail, 0, ErrProtocol},

		{"closes after MAIL", "PIPELINING", flight + "S: 250 ok\nCLOSE", 250, []int{0, 0}, 0, 0, StageRcpt, 0, io.EOF},
		{"closes after the dot", "PIPELINING", flight + ok3 + text + "CLOSE",
			250, []int{250, 250}, 354, 0, StageDot, 0, io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := greeted(t, tt.extensions, tt.script)
			env := Envelope{From: "a@x.test", To: []string{"b@y.test", "c@y.test"}}
			res, err := c.Send(t.Context(), env, strings.NewReader("Hi\r\n.\r\n"), nil)
			if tt.stage != "" {
				e := wantError(t, err, tt.stage, tt.code, tt.reason)
				if want := tt.stage == StageDot && tt.code < 400; e.MayBeDelivered() != want {
					t.Errorf("MayBeDelivered %v, want %v", e.MayBeDelivered(), want)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if tt.code != 421 { // that one is told by the error
				got := []any{res.Mail.Code, codes(res.Rcpt), res.Data.Code, res.Dot.Code}
				if diff := cmp.Diff([]any{tt.mail, tt.rcpt, tt.data, tt.dot}, got); diff != "" {
					t.Error(diff)
				}
			} else if diff := cmp.Diff(tt.rcpt, codes(res.Rcpt)); diff != "" {
				t.Error(diff)
			}
			c.Quit(t.Context())
		})
	}
}

func TestMailParameters(t *testing.T) {
	tests := []struct {
		extensions string
		env        Envelope
		want       string
		reason     error
	}{
		{"", Envelope{Size: 99}, "MAIL FROM:<>", nil},
		{"SIZE_1000", Envelope{From: "a@x.test"}, "MAIL FROM:<a@x.test>", nil},
		{"SIZE", Envelope{From: "a@x.test", Size: 99}, "MAIL FROM:<a@x.test> SIZE=99", nil},
		{"SIZE 8BITMIME", Envelope{From: "a@x.test", Size: 99, EightBit: true},
			"MAIL FROM:<a@x.test> SIZE=99 BODY=8BITMIME", nil},
		{"8BITMIME", Envelope{From: `"a> b"@x.test`}, `MAIL FROM:<"a> b"@x.test>`, nil},
		{"SIZE", Envelope{EightBit: true}, "", ErrEightBit},
	}
	for _, tt := range tests {
		script := "C: " + tt.want + "\nS: 550 no\n" + quit
		if tt.reason != nil {
			script = quit // nothing else must come
		}
		c := greeted(t, tt.extensions, script)
		tt.env.To = []string{"b@y.test"}
		_, err := c.Send(t.Context(), tt.env, strings.NewReader(""), nil)
		if tt.reason != nil {
			wantError(t, err, StageMail, 0, tt.reason)
		} else {
			wantError(t, err, StageMail, 550, nil)
		}
		c.Quit(t.Context())
	}
}

func TestEnvelopeIsChecked(t *testing.T) {
	for _, bad := range []string{
		"a@x.test>\r\nRCPT TO:<v@victim.test", "a@x.test> NOTIFY=NEVER", "a b@x.test", "<a@x.test>",
		`"a@x.test`, `"a\"@x.test`, "a\x00@x.test", "ä@x.test", strings.Repeat("a", 2000) + "@x.test",
	} {
		c := greeted(t, "", quit) // nothing else must come
		_, err := c.Send(t.Context(), Envelope{From: bad, To: []string{"b@y.test"}}, strings.NewReader(""), nil)
		wantError(t, err, StageMail, 0, ErrArgument)
		_, err = c.Send(t.Context(), Envelope{To: []string{"b@y.test", bad}}, strings.NewReader(""), nil)
		wantError(t, err, StageRcpt, 0, ErrArgument)
		_, err = c.Send(t.Context(), Envelope{To: []string{""}}, strings.NewReader(""), nil)
		wantError(t, err, StageRcpt, 0, ErrArgument)
		_, err = c.Send(t.Context(), Envelope{}, strings.NewReader(""), nil)
		wantError(t, err, StageRcpt, 0, ErrArgument)
		c.Quit(t.Context())
	}
	for _, good := range []string{"a@x.test", `"a> b"@x.test`, `"a\" <b"@x.test`, "postmaster", "a@[192.0.2.1]"} {
		if !isPath(good, false) {
			t.Errorf("%q is refused", good)
		}
	}
}

// writeCounter counts writes to the connection.
type writeCounter struct {
	net.Conn
	n int
}

func (w *writeCounter) Write(b []byte) (int, error) {
	w.n++
	return w.Conn.Write(b)
}

func TestFewWrites(t *testing.T) {
	w := &writeCounter{Conn: serve(t, func(p *peer) {
		p.greet("PIPELINING")
		p.play("C: MAIL FROM:<>\n" + rcptB + rcptC + "C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\n" + text + "S: 250 ok")
	})}
	c := introduce(t, New(w, Options{}))
	w.n = 0
	env := Envelope{To: []string{"b@y.test", "c@y.test"}}
	if _, err := c.Send(t.Context(), env, strings.NewReader("Hi\r\n.\r\n"), nil); err != nil {
		t.Fatal(err)
	}
	if w.n != 2 {
		t.Errorf("%d writes for a small message, want 2: the envelope, the text", w.n)
	}
}

// TestManyRecipients goes through many flights: each recipient gets its own answer.
func TestManyRecipients(t *testing.T) {
	const n = 1000
	var env Envelope
	for i := range n {
		env.To = append(env.To, fmt.Sprintf("%d%s@y.test", i, strings.Repeat("x", i%150)))
	}
	c := introduce(t, New(serve(t, func(p *peer) {
		p.greet("PIPELINING")
		for i := 0; ; i++ {
			line := p.line()
			switch {
			case line == "DATA":
				p.say("354 go\r\n")
				p.play("C: .\nS: 250 ok")
				return
			case i%3 == 2:
				p.say("550 no\r\n")
			default:
				p.say("250 ok\r\n")
			}
		}
	}), Options{}))
	res, err := c.Send(t.Context(), env, strings.NewReader(""), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range res.Rcpt {
		want := 250
		if (i+1)%3 == 2 {
			want = 550
		}
		if r.Code != want {
			t.Fatalf("recipient %d has code %d, want %d", i, r.Code, want)
		}
	}
}

func TestFlights(t *testing.T) {
	c := &Conn{ext: Extensions{Pipelining: true}}
	env := Envelope{}
	for i := range 350 {
		env.To = append(env.To, strings.Repeat("x", i)+"@y.test")
	}
	lines := env.commands(c.ext)
	for next := 0; next < len(lines); {
		end := c.flight(lines, next)
		size := 0
		for _, line := range lines[next:end] {
			size += len(line) + 2
		}
		if end <= next || end-next > flightCommands || size > flightBytes {
			t.Fatalf("flight of %d lines, %d bytes", end-next, size)
		}
		next = end
	}
	c.ext.Pipelining = false
	if end := c.flight(lines, 5); end != 6 {
		t.Errorf("%d lines in lock step", end-5)
	}
}

// TestBrokenBody: whatever keeps the message from being read to its end, the server never sees an end.
func TestBrokenBody(t *testing.T) {
	broken := errors.New("disk on fire")
	big := strings.Repeat("0123456789\r\n", 10000)
	bodies := map[string]func() io.Reader{
		"error at once": func() io.Reader { return iotest.ErrReader(broken) },
		"error later":   func() io.Reader { return io.MultiReader(strings.NewReader(big), iotest.ErrReader(broken)) },
		"error and data": func() io.Reader {
			return iotest.DataErrReader(io.MultiReader(strings.NewReader("a\r\n"), iotest.ErrReader(broken)))
		},
		"NUL":       func() io.Reader { return strings.NewReader("a\x00b\r\n") },
		"NUL later": func() io.Reader { return strings.NewReader(big + "a\r\n.\x00\r\n") },
	}
	for name, body := range bodies {
		for _, encrypt := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", name, encrypt), func(t *testing.T) {
				got := make(chan string, 1)
				c := New(serve(t, func(p *peer) {
					if encrypt {
						p.handshake(serverTLS())
					}
					p.greet("")
					p.play("C: MAIL FROM:<>\nS: 250 ok\n" + rcptB + "S: 250 ok\nC: DATA\nS: 354 go")
					got <- p.rest()
				}), Options{})
				if encrypt {
					if _, _, err := c.Handshake(t.Context(), clientTLS()); err != nil {
						t.Fatal(err)
					}
				}
				introduce(t, c)
				_, err := c.Send(t.Context(), Envelope{To: []string{"b@y.test"}}, body(), nil)
				e := wantError(t, err, StageData, 0, ErrBody)
				if e.MayBeDelivered() || strings.HasPrefix(name, "error") && !errors.Is(err, broken) {
					t.Error(err)
				}
				if s := <-got; strings.Contains(s, "\r\n.\r\n") || strings.HasPrefix(s, ".\r\n") {
					t.Error("the server saw the end of a message")
				}
			})
		}
	}
}

// TestLastWords: a server that hangs up in the middle of a message may have said why.
func TestLastWords(t *testing.T) {
	c := introduce(t, New(serve(t, func(p *peer) {
		p.greet("")
		p.play("C: MAIL FROM:<>\nS: 250 ok\n" + rcptB + "S: 250 ok\nC: DATA\nS: 354 go")
		p.say("552 5.3.4 too big\r\n")
	}), Options{}))
	_, err := c.Send(t.Context(), Envelope{To: []string{"b@y.test"}}, &failing{c: c, left: 3}, nil)
	if e := wantError(t, err, StageData, 552, nil); e.Err != nil {
		t.Errorf("reason %v beside the reply", e.Err)
	}
}

// TestLastWordsInFlight: when the envelope cannot be sent, only a 421 stands for the whole of it.
func TestLastWordsInFlight(t *testing.T) {
	for code, want := range map[string]int{"421": 421, "550": 0} {
		c := greeted(t, "PIPELINING", "S: "+code+" no")
		c.wire.Conn.(*net.TCPConn).CloseWrite()
		res, err := c.Send(t.Context(), Envelope{To: []string{"b@y.test", "c@y.test"}}, strings.NewReader(""), nil)
		wantError(t, err, StageMail, want, nil)
		if diff := cmp.Diff([]int{0, 0}, codes(res.Rcpt)); diff != "" {
			t.Error(diff)
		}
	}
}

// failing is a body that breaks the way to the server after some reads: writes fail from then on, reads do not.
type failing struct {
	c    *Conn
	left int
}

func (f *failing) Read(b []byte) (int, error) {
	if f.left--; f.left == 0 {
		f.c.wire.Conn.(*net.TCPConn).CloseWrite()
	}
	return copy(b, strings.Repeat("x", 70)+"\r\n"), nil
}

func TestResetAndNext(t *testing.T) {
	c := greeted(t, "", mailAB+"S: 550 no\nC: RSET\nS: 250 ok\n"+
		mailAB+"S: 250 ok\n"+rcptB+"S: 250 ok\nC: DATA\nS: 354 go\nC: .\nS: 250 ok\n"+quit)
	env := Envelope{From: "a@x.test", To: []string{"b@y.test"}}
	_, err := c.Send(t.Context(), env, strings.NewReader(""), nil)
	wantError(t, err, StageMail, 550, nil)
	if err := c.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), env, strings.NewReader(""), nil); err != nil {
		t.Fatal(err)
	}
	c.Quit(t.Context())
	c = greeted(t, "", "C: RSET\nS: 502 what")
	wantError(t, c.Reset(t.Context()), StageMail, 502, nil)
}
