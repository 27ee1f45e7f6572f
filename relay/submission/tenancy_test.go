package submission

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/relay/submission/tenant"
)

// under gives the server rules.
func under(rules ...tenant.Rule) func(*Options) {
	return func(o *Options) {
		o.Tenants = tenant.New(time.Now)
		o.Tenants.Configure(rules)
	}
}

// clients is the network that the pipe is in.
var clients = networks("192.0.2.0/24")[0]

// shop is a rule for the one account there is.
func shop(change func(*tenant.Rule)) tenant.Rule {
	r := tenant.Rule{Account: account}
	change(&r)
	return r
}

func (r *rig) dialAccount() *client {
	c := r.dialTLS()
	c.say("EHLO client.test", "250")
	c.say("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+account+"\x00"+secret)), "235")
	return c
}

func (c *client) deliver(from, to, text, reply string) {
	c.t.Helper()
	c.say("MAIL FROM:<"+from+">", "250")
	c.say("RCPT TO:<"+to+">", "250")
	c.say("DATA", "354")
	c.send(text + "\r\n.\r\n")
	c.expect(reply)
}

func TestTenantSenders(t *testing.T) {
	r := start(t, open, under(shop(func(r *tenant.Rule) { r.Senders = []string{"@example.org"} })))
	c := r.dialAccount()
	c.say("MAIL FROM:<x@y.test>", "550 5.7.1 You may not send as x@y.test: the account app@example.org may use @example.org")
	c.say("MAIL FROM:<x@sub.example.org>", "550 5.7.1")
	c.deliver("A@Example.org", "b@dest.test", "From: a@example.org\r\n\r\nFrom: x@y.test", "250")
	c.deliver("", "b@dest.test", "Subject: no From\r\n\r\nhello", "250")
	if mail := r.queue.take(); len(mail) != 2 || mail[1].Sender != "" {
		t.Fatalf("queued: %v", mail)
	}
	c.deliver("a@example.org", "b@dest.test", "From: a@example.org,\r\n x@y.test\r\n\r\nhello",
		"550 5.7.1 You may not write From: x@y.test: the account app@example.org may use @example.org")
	c.deliver("", "b@dest.test", "From: <\r\n\r\nhello", "550 5.7.1 The From field cannot be read")
	c.say("NOOP", "250")
	if mail := r.queue.take(); len(mail) != 0 {
		t.Errorf("queued: %v", mail)
	}

	other := r.dial() // without a login, there is no rule
	other.say("EHLO client.test", "250")
	other.deliver("x@y.test", "b@dest.test", "From: x@y.test\r\n\r\nhello", "250")
}

// The reply to a bad From does not wait for the body to be stored: nothing of it is.
func TestBadFromIsNotStored(t *testing.T) {
	r := start(t, loopback, under(tenant.Rule{Network: networks("127.0.0.0/8")[0], Senders: []string{"@example.org"}}))
	r.queue.writeErr = io.ErrShortWrite // and would be seen
	c := r.dial()
	c.say("EHLO client.test", "250")
	c.say("MAIL FROM:<a@example.org>", "250")
	c.say("RCPT TO:<b@dest.test>", "250")
	c.say("DATA", "354")
	go io.WriteString(c.conn, "From: x@y.test\r\n\r\n"+strings.Repeat("0123456789\r\n", 50_000)+".\r\n")
	c.expect("550 5.7.1 You may not write From: x@y.test: the network 127.0.0.0/8 may use")
}

// Synctest starts on 2000-01-01 at midnight UTC.
func TestTenantRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, open, under(tenant.Rule{Network: clients, RecipientsPerHour: 3}))
		c := r.dial()
		c.say("EHLO client.test", "250")
		c.deliver("a@app.test", "1@dest.test", "x", "250")
		c.deliver("a@app.test", "1@dest.test", "a\x00b", "554") // does not count
		c.say("MAIL FROM:<a@app.test>", "250")
		c.say("RCPT TO:<2@dest.test>", "250")
		c.say("RCPT TO:<2@dest.test>", "250") // the same once more does not count
		c.say("RCPT TO:<3@dest.test>", "250")
		const reply = "452 4.7.1 The limit of 3 recipients an hour for the network 192.0.2.0/24 is reached; try again after "
		c.say("RCPT TO:<4@dest.test>", reply+"01:05 UTC")
		other := r.dial()
		other.say("EHLO client.test", "250")
		other.say("MAIL FROM:<a@app.test>", "250")
		other.say("RCPT TO:<4@dest.test>", reply)
		c.say("RSET", "250")
		other.say("RCPT TO:<4@dest.test>", "250")
		c.say("MAIL FROM:<a@app.test>", "250")
		c.say("RCPT TO:<2@dest.test>", "250")
		c.say("RCPT TO:<3@dest.test>", reply)
		other.conn.Close() // gives back what it had
		synctest.Wait()
		c.say("RCPT TO:<3@dest.test>", "250")
		c.say("DATA", "354")
		c.send("x\r\n.\r\n")
		c.expect("250")
		c.say("MAIL FROM:<a@app.test>", "250")
		c.say("RCPT TO:<5@dest.test>", reply)
		c.say("EHLO client.test", "250")
		c.conn.Close()
		synctest.Wait()

		time.Sleep(65 * time.Minute)
		c = r.dial()
		c.say("EHLO client.test", "250")
		c.say("MAIL FROM:<a@app.test>", "250")
		c.say("RCPT TO:<5@dest.test>", "250")
		c.conn.Close()
		log := r.log.String()
		if n := strings.Count(log, "an hour for the network"); n != 1 {
			t.Errorf("%d lines for the refusals of one minute:\n%s", n, log)
		}
		r.stop()
	})
}

func TestTenantMessageSize(t *testing.T) {
	r := start(t, loopback, under(tenant.Rule{Network: networks("127.0.0.0/8")[0], MessageSize: 2000}))
	const reply = "552 5.3.4 The message is too large: at most 2000 bytes"
	c := r.dial()
	c.say("EHLO client.test", "250")
	c.say("MAIL FROM:<a@app.test> SIZE=2001", reply+" for the network 127.0.0.0/8")
	c.say("MAIL FROM:<a@app.test> SIZE=2000", "250")
	c.say("RSET", "250")
	c.deliver("a@app.test", "b@dest.test", strings.Repeat("0123456789\r\n", 300), reply+" for the network 127.0.0.0/8")
	c.deliver("a@app.test", "b@dest.test", strings.Repeat("0123456789\r\n", 150), "250")
	c.mail()
	go io.WriteString(c.conn, strings.Repeat("0123456789\r\n", 200_000))
	c.expect(reply)
	c.expectEnd()
	if mail := r.queue.take(); len(mail) != 1 {
		t.Errorf("%d messages", len(mail))
	}
}

func TestTenantConnections(t *testing.T) {
	r := start(t, open, under(tenant.Rule{Network: clients, Connections: 2},
		shop(func(r *tenant.Rule) { r.Connections = 1 })))
	one, two := r.dial(), r.dialTLS() // the seat goes along with STARTTLS
	c := r.connect()
	c.expect("421 4.7.0 The limit of connections at once (2) for the network 192.0.2.0/24 is reached")
	c.expectEnd()
	two.say("EHLO client.test", "250")
	login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+account+"\x00"+secret))
	two.say(login, "235")
	c = r.dialTLS() // the place of two is free
	c.say("EHLO client.test", "250")
	c.say(login, "454 4.7.0 The limit of connections at once (1) for the account app@example.org")
	c.say("MAIL FROM:<a@app.test>", "250") // still as the network
	two.say("QUIT", "221")
	two.expectEnd()
	c.say("RSET", "250")
	c.say(login, "235")
	one.say("QUIT", "221")
	for _, want := range []string{"connect", "AUTH"} {
		if !strings.Contains(r.log.String(), "command="+want) {
			t.Errorf("no refused %s in the log:\n%s", want, r.log)
		}
	}
	c.conn.Close()
	r.stop()
	for _, u := range r.server.opts.Tenants.Usages() {
		if u.Connected != 0 {
			t.Errorf("seats are left: %+v", u)
		}
	}
}

// New rules hold from the next transaction on, for connections that were there before, too.
func TestNewRules(t *testing.T) {
	r := start(t, open, under())
	c, d := r.dial(), r.dial()
	c.say("EHLO client.test", "250")
	d.say("EHLO client.test", "250")
	c.deliver("a@app.test", "b@dest.test", "x", "250")
	rules := []tenant.Rule{{Network: clients, Connections: 1, Senders: []string{"@example.org"}}}
	r.server.opts.Tenants.Configure(rules)
	c.say("MAIL FROM:<a@app.test>", "550 5.7.1")
	d.say("MAIL FROM:<a@example.org>", "450 4.7.0 The limit of connections at once (1)")
	r.server.opts.Tenants.Configure(nil)
	c.deliver("a@app.test", "b@dest.test", "x", "250")
	r.server.opts.Tenants.Configure(rules)
	d.say("MAIL FROM:<a@example.org>", "250") // c is no tenant's any more
	c.say("MAIL FROM:<a@example.org>", "450 4.7.0")
}

// Many sessions at once get exactly what the limit says, and a restart does not give more.
func TestExactlyTheLimit(t *testing.T) {
	const limit = 200
	path := filepath.Join(t.TempDir(), "tenants")
	rules := under(tenant.Rule{Network: networks("127.0.0.0/8")[0], RecipientsPerDay: limit})
	more := func(o *Options) { o.Connections = 100; o.Recipients = 5 }
	r := start(t, loopback, rules, more)
	var accepted atomic.Int64
	var sessions sync.WaitGroup
	for i := range 16 {
		sessions.Go(func() { accepted.Add(flood(t, r.server.Addresses()[0].String(), i)) })
	}
	sessions.Wait()
	r.stop()
	queued := 0
	for _, m := range r.queue.take() {
		queued += len(m.Recipients)
	}
	if accepted.Load() != limit || queued != limit {
		t.Errorf("%d recipients accepted, %d queued; want %d", accepted.Load(), queued, limit)
	}
	if err := r.server.opts.Tenants.Save(path); err != nil {
		t.Fatal(err)
	}
	again := start(t, loopback, rules, func(o *Options) {
		if err := o.Tenants.Load(path); err != nil {
			t.Fatal(err)
		}
	})
	c := again.dial()
	c.say("EHLO client.test", "250")
	c.say("MAIL FROM:<a@app.test>", "250")
	c.say("RCPT TO:<b@dest.test>", "452 4.7.1")
}

// flood sends messages with up to three recipients each until not even one is taken, and gives the number accepted. A
// message in between is broken off: what it held is for others.
func flood(t *testing.T, address string, seed int) (accepted int64) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close()
	c := &lineClient{conn: conn}
	c.ask("") // greeting
	c.ask("EHLO client.test\r\n")
	for i, refused := 0, 0; refused < 20; i++ {
		c.ask("MAIL FROM:<a@app.test>\r\n")
		n := int64(0)
		for j := range 3 {
			if c.ask(fmt.Sprintf("RCPT TO:<%d@dest.test>\r\n", j)) == "250" {
				n++
			}
		}
		switch {
		case n == 0: // others may yet give back what they hold
			refused++
			time.Sleep(time.Millisecond)
			c.ask("RSET\r\n")
		case (i+seed)%7 == 0:
			c.ask("RSET\r\n")
		case c.ask("DATA\r\n") != "354":
			t.Error("no DATA")
			return accepted
		case c.ask("hello\r\n.\r\n") == "250":
			accepted += n
		}
	}
	return accepted
}

// lineClient needs no test to be run in, so it may be used by other goroutines.
type lineClient struct {
	conn net.Conn
	buf  []byte
}

// ask sends text and gives the code of the reply, "" when the connection is lost.
func (c *lineClient) ask(text string) string {
	io.WriteString(c.conn, text)
	for {
		for {
			line, rest, found := strings.Cut(string(c.buf), "\r\n")
			if !found {
				break
			}
			c.buf = []byte(rest)
			if len(line) > 3 && line[3] == ' ' {
				return line[:3]
			}
		}
		p := make([]byte, 4096)
		n, err := c.conn.Read(p)
		if err != nil {
			return ""
		}
		c.buf = append(c.buf, p[:n]...)
	}
}

// BenchmarkTenants is what rules add to a message over the socket.
func BenchmarkTenants(b *testing.B) {
	for name, rules := range map[string][]tenant.Rule{
		"none": nil,
		"one":  {{Network: networks("127.0.0.0/8")[0], RecipientsPerDay: 1 << 30, Senders: []string{"@app.test"}}},
	} {
		b.Run(name, func(b *testing.B) {
			r := start(b, loopback, under(rules...), func(o *Options) { o.Log = slog.New(slog.DiscardHandler) })
			conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", r.server.Addresses()[0].String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			c := &lineClient{conn: conn}
			c.ask("")
			c.ask("EHLO client.test\r\n")
			for b.Loop() {
				c.ask("MAIL FROM:<a@app.test>\r\n")
				c.ask("RCPT TO:<b@dest.test>\r\n")
				c.ask("DATA\r\n")
				if c.ask("From: a@app.test\r\nSubject: s\r\n\r\nhello\r\n.\r\n") != "250" {
					b.Fatal("refused")
				}
				r.queue.take()
			}
		})
	}
}
