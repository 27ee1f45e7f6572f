package submission

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// trickle sends s again and again, with a pause behind each byte, until the connection ends.
func trickle(conn net.Conn, s string, pause time.Duration) {
	for i := 0; ; i = (i + 1) % len(s) {
		if _, err := io.WriteString(conn, s[i:i+1]); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// A byte a minute does not prolong the time for the answer to AUTH.
func TestSlowLogin(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := start(t, open).dialTLS()
		c.say("EHLO client.test", "250")
		c.say("AUTH LOGIN", "334")
		begin := time.Now()
		meanwhile(t, func() { trickle(c.conn, base64.StdEncoding.EncodeToString([]byte(account)), time.Minute) })
		c.endsAfter(begin, commandTimeout, "421 4.4.2")
	})
}

func TestSlowHandshake(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, open)
		c := r.dial()
		c.say("STARTTLS", "220")
		begin := time.Now()
		meanwhile(t, func() { trickle(c.conn, "\x16\x03\x01\x02\x00\x01\x00\x01", time.Second) })
		c.expectEnd()
		if took := time.Since(begin); took != handshakeTimeout {
			t.Errorf("the handshake was given %v", took)
		}
	})
}

// Commands in time do not keep a connection for ever; messages do.
func TestCommandsWithoutMessage(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := start(t, open).dial()
		c.say("EHLO client.test", "250")
		for range 3 {
			time.Sleep(commandTimeout - time.Second)
			c.mail()
			c.send("\r\n.\r\n")
			c.expect("250 2.0.0")
		}
		begin := time.Now()
		for time.Since(begin) <= messageTimeout-4*time.Minute {
			c.say("NOOP", "250")
			time.Sleep(4 * time.Minute)
		}
		c.endsAfter(begin, messageTimeout, "421 4.4.2")
	})
}

// slowClients are the ways to hold a connection at no cost. Each returns when it is cut off.
var slowClients = map[string]func(*client){
	"silent":             func(c *client) { io.Copy(io.Discard, c.in) },
	"trickles a command": func(c *client) { trickle(c.conn, "NOOP", tick) },
	"keeps busy": func(c *client) {
		for {
			if _, err := io.WriteString(c.conn, "NOOP\r\n"); err != nil {
				return
			}
			if _, err := c.reply(); err != nil {
				return
			}
			time.Sleep(tick)
		}
	},
	"trickles a handshake": func(c *client) {
		io.WriteString(c.conn, "STARTTLS\r\n")
		trickle(c.conn, "\x16\x03\x01\x02\x00\x01\x00\x01", tick)
	},
	"trickles in TLS": func(c *client) {
		io.WriteString(c.conn, "STARTTLS\r\n")
		c.reply() // the greeting
		c.reply()
		conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
		trickle(conn, "NOOP", tick)
	},
	"trickles a login": func(c *client) {
		io.WriteString(c.conn, "STARTTLS\r\n")
		c.reply()
		c.reply()
		conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
		io.WriteString(conn, "EHLO client.test\r\nAUTH LOGIN\r\n")
		trickle(conn, "YXBw", tick)
	},
	"trickles a message": func(c *client) {
		io.WriteString(c.conn, "EHLO client.test\r\nMAIL FROM:<a@app.test>\r\nRCPT TO:<b@dest.test>\r\nDATA\r\n")
		trickle(c.conn, "line\r\n", tick)
	},
	"reads no replies": func(c *client) {
		for {
			if _, err := io.WriteString(c.conn, strings.Repeat("EHLO client.test\r\n", 20)); err != nil {
				return
			}
			time.Sleep(tick)
		}
	},
}

// tick is shorter than all deadlines of the test.
const tick = 200 * time.Millisecond

// A thousand clients that do next to nothing are cut off, and leave nothing behind. Real connections, and short deadlines.
func TestThousandSlowClients(t *testing.T) {
	const clients, patience = 1000, 2 * time.Minute
	r := start(t, loopback, func(o *Options) {
		o.Connections = clients
		o.times = times{
			proxy: 2 * time.Second, handshake: 2 * time.Second, command: 2 * time.Second, message: 3 * time.Second,
			write: 2 * time.Second, bodyIdle: 2 * time.Second, bodyGrace: 3 * time.Second, bodyTotal: 4 * time.Second,
		}
	})
	before := memoryInUse()
	var wg sync.WaitGroup
	names := slices.Sorted(maps.Keys(slowClients))
	for i := range clients {
		name := names[i%len(names)]
		conn, err := net.Dial("tcp", r.server.Addresses()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		c := &client{t: t, conn: conn, in: bufio.NewReader(conn)}
		wg.Go(func() {
			defer c.conn.Close()
			begin := time.Now()
			c.conn.SetDeadline(begin.Add(patience))
			slowClients[name](c)
			if time.Since(begin) >= patience {
				t.Errorf("not cut off: a client that is or does %q", name)
			}
		})
	}
	full := memoryInUse()
	wg.Wait()
	deadline := time.Now().Add(10 * time.Second) // the linger of the last ones
	for r.connections() > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := r.connections(); n > 0 {
		t.Errorf("%d connections are left", n)
	}
	after := memoryInUse()
	t.Logf("memory in use: %d KB before, %d KB with all connected, %d KB after", before>>10, full>>10, after>>10)
	const kept = 4 << 10 // an idle client takes 11 KB, in TLS more
	if after > before+clients*kept {
		t.Error("the memory does not come back")
	}
	r.dial().say("NOOP", "250") // and the next one is served
}

// connections counts those that the server has.
func (r *rig) connections() int {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	return r.server.count
}

// memoryInUse is what heap and stacks hold, clients of the test included.
func memoryInUse() uint64 {
	runtime.GC()
	runtime.GC() // what pools keep goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
