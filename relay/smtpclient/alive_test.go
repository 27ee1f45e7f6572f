package smtpclient

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAlive lets the server do something to a kept session, in clear text and TLS.
func TestAlive(t *testing.T) {
	tests := map[string]struct {
		server func(p *peer)
		want   bool
	}{
		"idle":     {func(*peer) {}, true},
		"421":      {func(p *peer) { p.say("421 idle for too long\r\n") }, false},
		"part":     {func(p *peer) { p.say("4") }, false},
		"shut":     {func(p *peer) { p.Close() }, false},
		"reset":    {func(p *peer) { tcp(p.Conn).SetLinger(0); tcp(p.Conn).Close() }, false},
		"bare FIN": {func(p *peer) { tcp(p.Conn).CloseWrite() }, false},
	}
	for name, tt := range tests {
		for _, encrypt := range []bool{false, true} {
			cue, done := make(chan bool), make(chan bool)
			c := New(serve(t, func(p *peer) {
				if encrypt {
					p.handshake(serverTLS())
				}
				p.greet("")
				<-cue
				tt.server(p)
				close(done)
			}), Options{})
			if encrypt {
				if _, _, err := c.Handshake(t.Context(), clientTLS()); err != nil {
					t.Fatal(err)
				}
			}
			introduce(t, c)
			for range 3 {
				if !c.Alive() {
					t.Errorf("%s, TLS %v: dead at once", name, encrypt)
				}
			}
			close(cue)
			<-done
			time.Sleep(10 * time.Millisecond) // for the system
			if got := c.Alive(); got != tt.want {
				t.Errorf("%s, TLS %v: alive is %v", name, encrypt, got)
			}
		}
	}
}

// tcp is what lies below TLS.
func tcp(nc net.Conn) *net.TCPConn {
	if w, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = w.NetConn()
	}
	return nc.(*net.TCPConn)
}

// TestAliveAfterUse: looking does not disturb the session, and words that came along with a reply count.
func TestAliveAfterUse(t *testing.T) {
	const round = "C: MAIL FROM:<>\nS: 250 ok\n" + rcptB + "S: 250 ok\nC: DATA\nS: 354 go\nC: .\n"
	for _, encrypt := range []bool{false, true} {
		c := New(serve(t, func(p *peer) {
			if encrypt {
				p.handshake(serverTLS())
			}
			p.greet("")
			p.play(round + "S: 250 ok\n" + round + `S: 250 ok\r\n421 bye`)
		}), Options{})
		if encrypt {
			if _, _, err := c.Handshake(t.Context(), clientTLS()); err != nil {
				t.Fatal(err)
			}
		}
		introduce(t, c)
		for _, want := range []bool{true, false} {
			if _, err := c.Send(t.Context(), Envelope{To: []string{"b@y.test"}}, strings.NewReader(""), nil); err != nil {
				t.Fatal(err)
			}
			if got := c.Alive(); got != want {
				t.Fatalf("TLS %v: alive is %v, want %v", encrypt, got, want)
			}
		}
		_, err := c.Send(t.Context(), Envelope{To: []string{"b@y.test"}}, strings.NewReader(""), nil)
		wantError(t, err, StageMail, 421, nil)
		if c.Alive() {
			t.Error("alive after the end")
		}
	}
}

// TestAliveWithinTLS: a close_notify that package tls read together with a reply is seen, although the socket has nothing
// more.
func TestAliveWithinTLS(t *testing.T) {
	c := New(serve(t, func(p *peer) {
		j := &joiner{Conn: p.Conn}
		p.Conn = j
		p.handshake(serverTLS())
		p.greet("")
		p.line()
		j.hold = true
		p.say("250 ok\r\n")
		p.Conn.(*tls.Conn).CloseWrite()
		j.SetWriteDeadline(time.Time{}) // CloseWrite set one
		j.Conn.Write(j.held)
	}), Options{})
	if _, _, err := c.Handshake(t.Context(), clientTLS()); err != nil {
		t.Fatal(err)
	}
	introduce(t, c)
	if err := c.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if silent, known := silent(c.wire.Conn); !silent || !known {
		t.Fatalf("silent %v, known %v: this test does not show what it should", silent, known)
	}
	if c.Alive() {
		t.Error("alive after close_notify")
	}
}

// joiner keeps what is written, to be sent in one piece.
type joiner struct {
	net.Conn
	hold bool
	held []byte
}

func (j *joiner) Write(b []byte) (int, error) {
	if !j.hold {
		return j.Conn.Write(b)
	}
	j.held = append(j.held, b...)
	return len(b), nil
}

// TestAliveWithoutSocket: a connection that the system does not know is asked with a short wait.
func TestAliveWithoutSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cue := make(chan bool)
		c := introduce(t, piped(t, func(p *peer) {
			p.greet("")
			<-cue
			p.say("421 bye\r\n")
		}))
		if !c.Alive() || !c.Alive() {
			t.Error("dead at once")
		}
		close(cue)
		synctest.Wait()
		if c.Alive() {
			t.Error("alive after 421")
		}
	})
}

// TestWorn: what a server says and how long it takes wears a session, until it takes a message.
func TestWorn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const taken = "C: MAIL FROM:<>\nS: 250 ok\n" + rcptB + "S: 250 ok\nC: DATA\nS: 354 go\nC: .\nS: 250 ok"
		c := introduce(t, piped(t, func(p *peer) {
			p.greet("")
			for range 2 {
				time.Sleep(4 * time.Minute)
				p.play("C: RSET\nS: 250 ok")
			}
			p.play(taken)
			for range 6 {
				p.play("C: RSET\nS: 250 " + strings.Repeat("x", 100<<10))
			}
			p.play(taken)
		}))
		for i, want := range []bool{false, true, false, false, false, false, false, false, true, false} {
			var err error
			if i == 2 || i == 9 {
				_, err = c.Send(t.Context(), Envelope{To: []string{"b@y.test"}}, strings.NewReader(""), nil)
			} else {
				err = c.Reset(t.Context())
			}
			if err != nil || c.Worn() != want {
				t.Errorf("step %d: worn is %v, want %v; %v", i, c.Worn(), want, err)
			}
		}
	})
}
