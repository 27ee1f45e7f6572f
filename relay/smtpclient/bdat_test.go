package smtpclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestChunk(t *testing.T) {
	const (
		bdat   = "C: BDAT 7 LAST\nC: Hi\nC: .\n"
		flight = mailAB + rcptB + rcptC + bdat
		ok3    = "S: 250 ok\nS: 250 ok\nS: 250 ok\n"
		stepB  = mailAB + "S: 250 ok\n" + rcptB
		both   = "PIPELINING CHUNKING"
		data   = mailAB + rcptB + rcptC + "C: DATA\n"
		taken  = "S: 250 2.0.0 taken\n" + quit
	)
	tests := []struct {
		name, extensions, script string
		rcpt                     []int
		dot                      int
		stage                    string // of the error, "" without
		code                     int
		reason                   error
		unknown, over            bool
	}{
		{"one flight", both, flight + ok3 + taken, []int{250, 250}, 250, "", 0, nil, false, false},
		{"lock step", "CHUNKING", stepB + "S: 250 ok\n" + rcptC + "S: 550 no\n" + bdat + taken,
			[]int{250, 550}, 250, "", 0, nil, false, false},
		{"some refused", both, flight + "S: 250 ok\nS: 550 no\nS: 250 ok\n" + taken,
			[]int{550, 250}, 250, "", 0, nil, false, false},
		{"all refused", both, flight + "S: 250 ok\nS: 550 no\nS: 450 no\nS: 503 nobody\n" + quit,
			[]int{550, 450}, 0, StageRcpt, 450, ErrNoRecipients, false, false},
		{"all refused, lock step", "CHUNKING", stepB + "S: 550 no\n" + rcptC + "S: 550 no\n" + quit,
			[]int{550, 550}, 0, StageRcpt, 550, ErrNoRecipients, false, false},
		{"all refused, yet taken", both, flight + "S: 250 ok\nS: 550 no\nS: 450 no\nS: 250 fine\n",
			[]int{550, 450}, 0, StageRcpt, 450, ErrNoRecipients, false, true},
		{"all refused, then silence", both, flight + "S: 250 ok\nS: 550 no\nS: 450 no\nCLOSE",
			[]int{550, 450}, 0, StageRcpt, 450, ErrNoRecipients, false, true},
		{"MAIL refused", both, flight + "S: 550 no\nS: 503 a\nS: 503 b\nS: 503 c\n" + quit,
			[]int{0, 0}, 0, StageMail, 550, nil, false, false},
		{"MAIL refused, yet taken", both, flight + "S: 550 no\nS: 250 a\nS: 250 b\nS: 250 fine\n",
			[]int{0, 0}, 0, StageMail, 550, nil, false, true},
		{"refused for good", both, flight + ok3 + "S: 554 spam\n" + quit, []int{250, 250}, 554, StageDot, 554, nil, false, false},
		{"refused for now", both, flight + ok3 + "S: 452 full\n" + quit, []int{250, 250}, 452, StageDot, 452, nil, false, false},
		{"354 to BDAT", both, flight + ok3 + "S: 354 go", []int{250, 250}, 354, StageDot, 354, ErrProtocol, true, true},

		{"421 to MAIL", both, flight + "S: 421 busy\nCLOSE", []int{0, 0}, 0, StageMail, 421, nil, false, true},
		{"421 to RCPT", both, flight + "S: 250 ok\nS: 250 ok\nS: 421 busy\nCLOSE", []int{250, 0}, 0, StageRcpt, 421, nil, false, true},
		{"421 to BDAT", both, flight + ok3 + "S: 421 busy\nCLOSE", []int{250, 250}, 421, StageDot, 421, nil, false, true},
		{"lost before MAIL's answer", both, flight + "CLOSE", []int{0, 0}, 0, StageMail, 0, io.EOF, true, true},
		{"lost before RCPT's answer", both, flight + "S: 250 ok\nS: 550 no\nCLOSE", []int{550, 0}, 0, StageRcpt, 0, io.EOF, true, true},
		{"lost before BDAT's answer", both, flight + ok3 + "CLOSE", []int{250, 250}, 0, StageDot, 0, io.EOF, true, true},
		{"lost before BDAT", "CHUNKING", stepB + "S: 250 ok\n" + rcptC + "CLOSE", []int{250, 0}, 0, StageRcpt, 0, io.EOF, false, true},
		{"nonsense to RCPT", both, flight + "S: 250 ok\nS: 354 go", []int{0, 0}, 0, StageRcpt, 354, ErrProtocol, true, true},
		{"no SMTP to MAIL", both, flight + "S: hello", []int{0, 0}, 0, StageMail, 0, ErrProtocol, true, true},

		{"BDAT is not known", both, flight + ok3 + "S: 500 what\nC: RSET\nS: 250 ok\n" + data + ok3 + text + taken,
			[]int{250, 250}, 250, "", 0, nil, false, false},
		{"BDAT is not known, lock step", "CHUNKING", stepB + "S: 250 ok\n" + rcptC + "S: 250 ok\n" + bdat + "S: 502 what\nC: RSET\nS: 250 ok\n" +
			stepB + "S: 250 ok\n" + rcptC + "S: 250 ok\nC: DATA\n" + text + taken,
			[]int{250, 250}, 250, "", 0, nil, false, false},
		{"BDAT and RSET are not known", both, flight + ok3 + "S: 500 what\nC: RSET\nS: 500 what\n",
			[]int{250, 250}, 500, StageData, 500, ErrChunking, false, true},
		{"the text is taken for commands", both, flight + ok3 + `S: 500 BDAT?\r\n500 Hi?\r\n500 .?`,
			[]int{250, 250}, 500, StageData, 500, ErrChunking, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := greeted(t, tt.extensions, tt.script)
			res, err := c.Send(t.Context(), to("b@y.test", "c@y.test"), strings.NewReader("Hi\n.\r\n"), nil)
			if tt.stage != "" {
				e := wantError(t, err, tt.stage, tt.code, tt.reason)
				if e.MayBeDelivered() != tt.unknown {
					t.Errorf("MayBeDelivered %v, want %v", e.MayBeDelivered(), tt.unknown)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			dot := res.Dot.Code
			if tt.code == 421 {
				dot = tt.dot // that one is told by the error
			}
			if diff := cmp.Diff([]any{tt.rcpt, tt.dot}, []any{codes(res.Rcpt), dot}); diff != "" {
				t.Error(diff)
			}
			if c.over != tt.over {
				t.Errorf("over is %v, want %v", c.over, tt.over)
			}
			c.Quit(t.Context())
		})
	}
}

// TestChunkRemembers: a server that does not know BDAT is not asked again, and gets the next envelope ahead.
func TestChunkRemembers(t *testing.T) {
	c := greeted(t, "PIPELINING CHUNKING", mailAB+rcptB+"C: BDAT 5 LAST\nC: one\n"+ok2+"S: 503 what\nC: RSET\nS: 250 ok\n"+
		first+dotAhead+"S: 250 one\n"+ok2+"S: 354 go\nC: two\nC: .\nS: 250 two\n"+quit)
	res, err := c.Send(t.Context(), to("b@y.test"), strings.NewReader("one\r\n"), then(to("c@y.test")))
	taken("250 one")(t, res, err)
	res, err = c.Send(t.Context(), to("c@y.test"), strings.NewReader("two\r\n"), nil)
	taken("250 two")(t, res, err)
	c.Quit(t.Context())
}

// TestChunkNotAhead: where chunks are taken nothing is sent ahead, not even behind a message that goes with DATA.
func TestChunkNotAhead(t *testing.T) {
	c := greeted(t, "PIPELINING CHUNKING", mailAB+rcptB+"C: DATA\n"+ok2+"S: 354 go\nC: data\nC: .\nS: 250 one\n"+quit)
	res, err := c.Send(t.Context(), to("b@y.test"), strings.NewReader("data\r\n"), then(to("c@y.test")))
	taken("250 one")(t, res, err)
	if c.Ahead() {
		t.Error("the next envelope is ahead")
	}
	c.Quit(t.Context())
}

// TestNoChunk: what does not fit a flight, or hides what a server could obey, goes with DATA; so does all if the caller
// says so.
func TestNoChunk(t *testing.T) {
	line := strings.Repeat("x", 62) + "\r\n"
	tests := []struct {
		name, text string
		opts       Options
		chunk      bool
	}{
		{"empty", "", Options{}, true},
		{"small", "Hi\r\n", Options{}, true},
		{"just fits", strings.Repeat(line, maxChunk/64), Options{}, true},
		{"one byte more", strings.Repeat(line, maxChunk/64-1) + "x" + line, Options{}, false},
		{"fits, but not with all its line ends", strings.Repeat("\n", maxChunk*3/4), Options{}, false},
		{"large", strings.Repeat(line, 20000), Options{}, false},
		{"CR where the chunk is cut", strings.Repeat("x", maxChunk+writeBuffer-1) + "\r\n.\r\n", Options{}, false},
		{"stray CR where the chunk is cut", strings.Repeat("x", maxChunk+writeBuffer-1) + "\rx\r\n", Options{}, false},
		{"fits, but not with its line end", strings.Repeat("x", maxChunk-1), Options{}, false},
		{"DATA inside", "A: b\r\n\r\nMAIL FROM:<v@x.test>\r\nRCPT TO:<b@y.test>\r\n  data\r\nC: d\r\n.\r\n", Options{}, false},
		{"BDAT inside", "A: b\r\n\r\n\tBdAt 5 LAST\r\n", Options{}, false},
		{"DATA in the middle of a line", "A: DATA\r\n", Options{}, true},
		{"not wanted", "Hi\r\n", Options{NoChunking: true}, false},
	}
	for _, tt := range tests {
		for _, pipelining := range []string{"", "PIPELINING "} {
			t.Run(tt.name+", "+pipelining, func(t *testing.T) {
				got := make(chan received, 1)
				c := introduce(t, New(serve(t, func(p *peer) {
					p.greet(pipelining + "CHUNKING")
					got <- p.receive()
				}), tt.opts))
				if _, err := c.Send(t.Context(), to("b@y.test"), strings.NewReader(tt.text), nil); err != nil {
					t.Fatal(err)
				}
				want, _ := canon(tt.text)
				g := <-got
				if g.chunk != tt.chunk || g.text != want {
					t.Errorf("BDAT %v, want %v; %d bytes, want %d", g.chunk, tt.chunk, len(g.text), len(want))
				}
			})
		}
	}
}

// received is a message at the server, with dots doubled and the final dot.
type received struct {
	chunk bool
	text  string
}

// receive is a server that takes one message. Nothing of its text may be left when it answers.
func (p *peer) receive() received {
	for {
		line := p.line()
		var size int
		switch {
		case line == "":
			return received{}
		case line == "DATA":
			p.say("354 go\r\n")
			var text strings.Builder
			for line := ""; line != ".\r\n"; {
				var err error
				if line, err = p.r.ReadString('\n'); err != nil {
					return received{}
				}
				text.WriteString(line)
			}
			p.say("250 ok\r\n")
			return received{false, text.String()}
		case strings.HasPrefix(line, "BDAT"):
			if _, err := fmt.Sscanf(line, "BDAT %d LAST", &size); err != nil {
				p.t.Errorf("%q: %v", line, err)
			}
			text := make([]byte, size)
			io.ReadFull(p.r, text)
			p.say("250 ok\r\n")
			stuffed, _ := (&wireText{dots: true, lineStart: true}).append(nil, text)
			return received{true, string(stuffed) + ".\r\n"}
		default:
			p.say("250 ok\r\n")
		}
	}
}

// TestOneWrite: a small message goes out together with its envelope in one write, also as the first one in TLS.
func TestOneWrite(t *testing.T) {
	for _, encrypt := range []bool{false, true} {
		w := &writeCounter{Conn: serve(t, func(p *peer) {
			if encrypt {
				p.handshake(serverTLS())
			}
			p.greet("PIPELINING CHUNKING")
			p.receive()
		})}
		c := New(w, Options{})
		if encrypt {
			if _, _, err := c.Handshake(t.Context(), clientTLS()); err != nil {
				t.Fatal(err)
			}
		}
		introduce(t, c)
		w.n = 0
		text := strings.Repeat(strings.Repeat("x", 62)+"\r\n", 200)
		if _, err := c.Send(t.Context(), to("b@y.test"), strings.NewReader(text), nil); err != nil {
			t.Fatal(err)
		}
		if w.n != 1 {
			t.Errorf("TLS %v: %d writes, want 1", encrypt, w.n)
		}
	}
}

// TestBrokenChunk: what cannot be read to its end, or must not be sent, never goes out.
func TestBrokenChunk(t *testing.T) {
	broken := errors.New("disk on fire")
	bodies := map[string]func() io.Reader{
		"at once": func() io.Reader { return iotest.ErrReader(broken) },
		"later":   func() io.Reader { return io.MultiReader(strings.NewReader("a\r\n"), iotest.ErrReader(broken)) },
		"NUL":     func() io.Reader { return strings.NewReader("a\x00b\r\n") },
		"much later": func() io.Reader {
			return io.MultiReader(bytes.NewReader(make([]byte, 0)), strings.NewReader(strings.Repeat("x\r\n", maxChunk)), iotest.ErrReader(broken))
		},
	}
	for name, body := range bodies {
		for _, pipelining := range []string{"", "PIPELINING "} {
			t.Run(name+", "+pipelining, func(t *testing.T) {
				got := make(chan received, 1)
				c := introduce(t, New(serve(t, func(p *peer) {
					p.greet(pipelining + "CHUNKING")
					got <- p.receive()
				}), Options{}))
				_, err := c.Send(t.Context(), to("b@y.test"), body(), nil)
				if e := wantError(t, err, StageData, 0, ErrBody); e.MayBeDelivered() {
					t.Error(err)
				}
				if g := <-got; g != (received{}) {
					t.Errorf("the server got a message of %d bytes", len(g.text))
				}
			})
		}
	}
}

// TestChunkAfterRefusal: a server that does not throw away the chunk that it refused is found out before the next message.
func TestChunkAfterRefusal(t *testing.T) {
	for _, garbage := range []string{"S: 250 ok\nS: 550 no\nS: 503 no\n" + `S: 500 Hi?\r\n500 .?`,
		"S: 250 ok\nS: 550 no\n" + `S: 503 no\r\n500 Hi?\r\n500 .?`} {
		c := greeted(t, "PIPELINING CHUNKING", mailAB+rcptB+"C: BDAT 7 LAST\nC: Hi\nC: .\n"+garbage)
		_, err := c.Send(t.Context(), to("b@y.test"), strings.NewReader("Hi\r\n.\r\n"), nil)
		wantError(t, err, StageRcpt, 550, ErrNoRecipients)
		if err := c.Reset(t.Context()); err == nil || c.Alive() {
			t.Errorf("%q: the session goes on, %v", garbage, err)
		}
	}
}

// TestSilentChunk: however long a server takes to say nothing, the message behind its silence may have been delivered.
func TestSilentChunk(t *testing.T) {
	tests := []struct {
		stage, replies string
		want           time.Duration
	}{
		{StageMail, "", 5 * time.Minute},
		{StageRcpt, "\nS: 250 ok", 5 * time.Minute},
		{StageDot, "\nS: 250 ok\nS: 250 ok", 10 * time.Minute},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			c := introduce(t, piped(t, func(p *peer) {
				p.greet("PIPELINING CHUNKING")
				p.play(mailAB + rcptB + "C: BDAT 4 LAST\nC: Hi" + tt.replies)
			}))
			start := time.Now()
			_, err := c.Send(t.Context(), to("b@y.test"), strings.NewReader("Hi\r\n"), nil)
			e := wantError(t, err, tt.stage, 0, os.ErrDeadlineExceeded)
			if waited := time.Since(start); waited != tt.want || !e.MayBeDelivered() {
				t.Errorf("%s: waited %v, want %v; MayBeDelivered %v", tt.stage, waited, tt.want, e.MayBeDelivered())
			}
		})
	}
}

// TestChunkNotSent: a chunk that was not written to its end was not delivered, whatever the server makes of it.
func TestChunkNotSent(t *testing.T) {
	for _, extensions := range []string{"CHUNKING", "PIPELINING CHUNKING"} {
		synctest.Test(t, func(t *testing.T) {
			c := introduce(t, piped(t, func(p *peer) {
				p.greet(extensions)
				for line := ""; !strings.HasPrefix(line, "BDAT"); {
					if line = p.line(); extensions == "CHUNKING" && line[0] != 'B' {
						p.say("250 ok\r\n")
					}
				}
				time.Sleep(time.Hour)
			}))
			_, err := c.Send(t.Context(), to("b@y.test"), strings.NewReader(strings.Repeat("x\r\n", 20000)), nil)
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, os.ErrDeadlineExceeded) || e.MayBeDelivered() || c.Alive() {
				t.Errorf("%v", err)
			}
		})
	}
}
