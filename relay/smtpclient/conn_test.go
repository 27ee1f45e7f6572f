package smtpclient

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// piped is a session over a pipe, for tests in virtual time.
func piped(t *testing.T, server func(p *peer)) *Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		p := newPeer(t, theirs)
		server(p)
		io.Copy(io.Discard, p.Conn)
	}()
	t.Cleanup(func() {
		ours.Close()
		<-done
	})
	return New(ours, Options{})
}

// TestSilence lets the server stop talking at each step, and measures the client's patience.
func TestSilence(t *testing.T) {
	send := func(c *Conn, t *testing.T) error {
		_, err := c.Send(t.Context(), Envelope{From: "a@x.test", To: []string{"b@y.test"}}, strings.NewReader("Hi\r\n"), nil)
		return err
	}
	const toData = "C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\nC: DATA\n"
	tests := []struct {
		stage, script string
		do            func(*Conn, *testing.T) error
		want          time.Duration
	}{
		{StageMail, "C: MAIL FROM:<a@x.test>", send, 5 * time.Minute},
		{StageRcpt, "C: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>", send, 5 * time.Minute},
		{StageData, strings.TrimSpace(toData), send, 2 * time.Minute},
		{StageDot, toData + "S: 354 go\nC: Hi\nC: .", send, 10 * time.Minute},
		{StageHello, "C: EHLO again", func(c *Conn, t *testing.T) error {
			_, err := c.Hello(t.Context(), "again")
			return err
		}, 5 * time.Minute},
		{StageMail, "C: RSET", func(c *Conn, t *testing.T) error { return c.Reset(t.Context()) }, 5 * time.Minute},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			c := introduce(t, piped(t, func(p *peer) {
				p.greet("")
				p.play(tt.script)
			}))
			start := time.Now()
			e := wantError(t, tt.do(c, t), tt.stage, 0, os.ErrDeadlineExceeded)
			if waited := time.Since(start); waited != tt.want {
				t.Errorf("%s: waited %v, want %v", tt.stage, waited, tt.want)
			}
			if e.MayBeDelivered() != (tt.stage == StageDot) {
				t.Errorf("%s: MayBeDelivered is %v", tt.stage, e.MayBeDelivered())
			}
		})
	}
}

func TestSilentGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, func(p *peer) { p.rest() })
		start := time.Now()
		_, err := c.Greeting(t.Context())
		wantError(t, err, StageGreeting, 0, os.ErrDeadlineExceeded)
		if waited := time.Since(start); waited != 5*time.Minute {
			t.Errorf("waited %v", waited)
		}
	})
}

// TestSlowBytes: a byte now and then does not count as an answer.
func TestSlowBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, func(p *peer) {
			for _, b := range []byte("220 " + strings.Repeat("x", 100) + "\r\n") {
				if _, err := p.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Minute)
			}
		})
		start := time.Now()
		_, err := c.Greeting(t.Context())
		wantError(t, err, StageGreeting, 0, os.ErrDeadlineExceeded)
		if waited := time.Since(start); waited != 5*time.Minute {
			t.Errorf("waited %v", waited)
		}
	})
}

// TestTarpit: each answer comes just in time, but there is an end to that.
func TestTarpit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, func(p *peer) {
			for {
				time.Sleep(4 * time.Minute)
				if _, err := io.WriteString(p, "250 wait\r\n"); err != nil {
					return
				}
				p.line()
			}
		})
		start := time.Now()
		_, err := c.Greeting(t.Context())
		for err == nil {
			_, err = c.Hello(t.Context(), "relay.test")
		}
		wantError(t, err, StageHello, 0, os.ErrDeadlineExceeded)
		if waited := time.Since(start); waited != 15*time.Minute {
			t.Errorf("waited %v", waited)
		}
	})
}

// TestPatienceStartsAnew when the server takes a message: a busy session may last.
func TestPatienceStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := introduce(t, piped(t, func(p *peer) {
			p.greet("")
			for range 5 {
				p.play("C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\nC: DATA\nS: 354 go\nC: .")
				time.Sleep(8 * time.Minute)
				p.say("250 ok\r\n")
			}
		}))
		for i := range 5 {
			if _, err := c.Send(t.Context(), Envelope{To: []string{"b@y.test"}}, strings.NewReader(""), nil); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			time.Sleep(time.Hour) // between messages nobody waits
		}
	})
}

// TestSlowReader: a server that takes a message too slowly is left, one that takes it slowly is not.
func TestSlowReader(t *testing.T) {
	const size = 4 << 20
	for pause, want := range map[time.Duration]bool{2 * time.Second: true, 2 * time.Minute: false} {
		synctest.Test(t, func(t *testing.T) {
			c := introduce(t, piped(t, func(p *peer) {
				p.greet("")
				p.play("C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\nC: DATA\nS: 354 go")
				buf := make([]byte, 16<<10)
				for {
					n, err := io.ReadAtLeast(p.r, buf, len(buf))
					if err != nil {
						return
					}
					if strings.HasSuffix(string(buf[:n]), "\r\n.\r\n") {
						p.say("250 ok\r\n")
						return
					}
					time.Sleep(pause)
				}
			}))
			start := time.Now()
			text := strings.Repeat(strings.Repeat("x", 62)+"\r\n", size/64-1) + strings.Repeat("x", 59) + "\r\n"
			_, err := c.Send(t.Context(), Envelope{To: []string{"b@y.test"}}, strings.NewReader(text), nil)
			took := time.Since(start)
			if want && (err != nil || took < 5*time.Minute) {
				t.Errorf("pause %v: %v after %v", pause, err, took)
			}
			if !want {
				wantError(t, err, StageData, 0, os.ErrDeadlineExceeded)
				if took > 30*time.Minute {
					t.Errorf("pause %v: left after %v only", pause, took)
				}
			}
		})
	}
}

func TestFlood(t *testing.T) {
	tests := map[string]string{
		"endless reply": "250-x\r\n",
		"endless line":  strings.Repeat("x", 1000),
		"many replies":  "250 " + strings.Repeat("x", 1000) + "\r\n",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			c := New(serve(t, func(p *peer) {
				for {
					if _, err := io.WriteString(p, text); err != nil {
						return
					}
				}
			}), Options{})
			_, err := c.Greeting(t.Context())
			for err == nil {
				_, err = c.Hello(t.Context(), "relay.test")
			}
			if e := (*Error)(nil); !errors.As(err, &e) {
				t.Fatal(err)
			} else if wantError(t, err, e.Stage, 0, ErrProtocol); c.wire.left < 0 {
				t.Errorf("read %d bytes too many", -c.wire.left)
			}
		})
	}
}

func TestContextCancels(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := New(serve(t, func(p *peer) {
		p.greet("")
		p.line()
		cancel()
	}), Options{})
	introduce(t, c)
	_, err := c.Send(ctx, Envelope{To: []string{"b@y.test"}}, strings.NewReader(""), nil)
	wantError(t, err, StageMail, 0, context.Canceled)
	if _, err := c.nc.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is open: %v", err)
	}
	wantError(t, c.Reset(t.Context()), StageMail, 0, ErrClosed)
	c.Quit(t.Context())
}

func TestContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := scripted(t, "S: 220 mx")
	_, err := c.Greeting(ctx)
	wantError(t, err, StageGreeting, 0, context.Canceled)
}

func TestQuit(t *testing.T) {
	c := greeted(t, "", "C: QUIT")
	c.Quit(t.Context())
	if _, err := c.nc.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is open: %v", err)
	}
	c.Quit(t.Context()) // twice does no harm
	c.Close()
	synctest.Test(t, func(t *testing.T) {
		c := introduce(t, piped(t, func(p *peer) { p.greet(""); p.rest() }))
		start := time.Now()
		c.Quit(t.Context())
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for a good-bye", waited)
		}
	})
}

func TestErrorText(t *testing.T) {
	hostile := []string{"550-a\x1b[31m\u202e", "550 " + strings.Repeat("x", 5000)}
	e := &Error{Stage: StageMail, Reply: &Reply{Code: 550, Lines: hostile}}
	text := e.Error()
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	if strings.ContainsFunc(text, odd) || len(text) > 500 || !strings.Contains(text, "550-a") {
		t.Errorf("%q", text)
	}
	e = &Error{Stage: StageTLS, Err: errors.New("bad\r\nthing")}
	if got := e.Error(); got != "tls: bad? thing" {
		t.Errorf("%q", got)
	}
}
