package submission

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inTime runs a test in virtual time.
func inTime(t *testing.T, f func(t *testing.T)) {
	testCertificate() // its making is not to be waited for
	synctest.Test(t, f)
}

// meanwhile runs f beside the test, which does not end before it.
func meanwhile(t testing.TB, f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	t.Cleanup(func() { <-done })
}

// endsAfter wants the connection closed after d, give or take what a deadline of the client's own sending takes.
func (c *client) endsAfter(begin time.Time, d time.Duration, reply string) {
	c.t.Helper()
	c.expect(reply)
	if took := time.Since(begin); took < d || took > d+time.Minute {
		c.t.Errorf("the end came after %v, want %v", took, d)
	}
	c.expectEnd()
}

func TestIdleTimeout(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, open)
		c := r.dial()
		c.endsAfter(time.Now(), commandTimeout, "421 4.4.2")
		c = r.dialTLS()
		c.endsAfter(time.Now(), commandTimeout, "421 4.4.2")
	})
}

// Single bytes do not prolong the time for a command.
func TestSlowCommand(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := start(t, open).dial()
		begin := time.Now()
		meanwhile(t, func() {
			for {
				time.Sleep(50 * time.Second)
				if _, err := io.WriteString(c.conn, "N"); err != nil {
					return
				}
			}
		})
		c.endsAfter(begin, commandTimeout, "421 4.4.2")
	})
}

// A timeout within a message queues nothing, and what comes then is not run.
func TestBodyTimeout(t *testing.T) {
	for _, secure := range []bool{false, true} {
		inTime(t, func(t *testing.T) {
			r := start(t, open)
			c := r.dial()
			if secure {
				c = r.dialTLS()
			}
			c.say("EHLO client.test", "250")
			c.mail()
			c.send("Subject: x\r\n\r\nfirst half\r\n")
			begin := time.Now()
			meanwhile(t, func() {
				time.Sleep(bodyIdle + time.Second)
				io.WriteString(c.conn, "second half\r\n.\r\n"+evil)
			})
			c.endsAfter(begin, bodyIdle, "421 4.4.2")
			if mail := r.queue.take(); len(mail) != 0 {
				t.Errorf("%d messages", len(mail))
			}
		})
	}
}

func TestBodyRate(t *testing.T) {
	for _, tc := range []struct {
		name  string
		bytes int // a minute
		end   time.Duration
	}{
		{"trickle", 1, bodyGrace},
		{"half the rate", 60 * bodyRate / 2, 2 * bodyGrace},
		{"the rate, for too long", 60 * bodyRate * 11 / 10, bodyTotal},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				c := start(t, open, func(o *Options) { o.MessageSize = 1 << 40 }).dial()
				c.say("EHLO client.test", "250")
				c.mail()
				begin := time.Now()
				meanwhile(t, func() {
					minute := strings.Repeat(strings.Repeat("x", 99)+"\n", tc.bytes/100) + strings.Repeat("x", tc.bytes%100)
					for {
						if _, err := io.WriteString(c.conn, minute); err != nil {
							return
						}
						time.Sleep(time.Minute)
					}
				})
				c.endsAfter(begin, tc.end, "421 4.4.2")
			})
		})
	}
}

// A slow line that keeps the rate is served to the end.
func TestSlowHonestClient(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, open, func(o *Options) { o.MessageSize = 1 << 40 })
		c := r.dial()
		c.say("EHLO client.test", "250")
		c.mail()
		for range 60 {
			c.send(strings.Repeat(strings.Repeat("x", 98)+"\r\n", 60*bodyRate/100))
			time.Sleep(time.Minute)
		}
		c.send(".\r\n")
		c.expect("250 2.0.0")
	})
}

// A client that reads no replies is not waited for.
func TestClientDoesNotRead(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, open)
		c := r.dial()
		begin := time.Now()
		for {
			if _, err := io.WriteString(c.conn, "NOOP\r\n"); err != nil {
				break
			}
		}
		if took := time.Since(begin); took > writeTimeout {
			t.Errorf("the client held the connection for %v", took)
		}
	})
}

func TestHandshakeTimeout(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, Listener{TLS: TLSImplicit})
		c := r.connect()
		begin := time.Now()
		c.expectEnd()
		if took := time.Since(begin); took != handshakeTimeout {
			t.Errorf("the handshake was given %v", took)
		}
		r.stop()
	})
}

// At the stop, idle clients are told, and a message in transfer may finish.
func TestStop(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, open)
		idle, idleTLS, busy := r.dial(), r.dialTLS(), r.dial()
		busy.say("EHLO client.test", "250")
		busy.mail()
		busy.send("first half\r\n")
		synctest.Wait() // the server's side of the handshake ends after the client's
		begin := time.Now()
		stopped := make(chan struct{})
		go func() { r.stop(); close(stopped) }()
		idle.expect("421 4.3.2")
		idle.expectEnd()
		idleTLS.expect("421 4.3.2")
		idleTLS.expectEnd()
		time.Sleep(StopGrace / 2)
		busy.send("second half\r\n.\r\n")
		busy.expect("250 2.0.0 Ok: queued", "421 4.3.2")
		busy.expectEnd()
		<-stopped
		if took := time.Since(begin); took != StopGrace/2 {
			t.Errorf("the stop took %v", took)
		}
		if mail := r.queue.take(); len(mail) != 1 {
			t.Errorf("%d messages", len(mail))
		}
	})
}

// What does not finish is cut off.
func TestStopIsBounded(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, open)
		stuck, handshake := r.dial(), r.dial()
		stuck.say("EHLO client.test", "250")
		stuck.mail()
		handshake.say("STARTTLS", "220")
		begin := time.Now()
		r.stop()
		if took := time.Since(begin); took != StopGrace {
			t.Errorf("the stop took %v", took)
		}
		handshake.expectEnd()
		if mail := r.queue.take(); len(mail) != 0 {
			t.Errorf("%d messages", len(mail))
		}
	})
}
