package submission

import (
	"bufio"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

func TestStatusInEveryLine(t *testing.T) {
	for in, want := range map[string]string{
		"250 2.0.0 ok\r\n":                        "250 2.0.0 ok\r\n",
		"550-first\r\n550-\r\n550 5.7.1 last\r\n": "550-5.7.1 first\r\n550-5.7.1 \r\n550 5.7.1 last\r\n",
		"550-5.7.1 first\r\n550 5.7.1 last\r\n":   "550-5.7.1 first\r\n550 5.7.1 last\r\n",
		"214-see\r\n214 RFC 5321\r\n":             "214-see\r\n214 RFC 5321\r\n",
		"354 go\r\n":                              "354 go\r\n",
		"":                                        "",
		"550-\r\n5\r\n":                           "550-\r\n5\r\n",
		"452-a 4.5.3\r\n452 4.5.3 b\r\n":          "452-4.5.3 a 4.5.3\r\n452 4.5.3 b\r\n",
	} {
		if got := string(inEveryLine([]byte(in))); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if got := string(errorLine(smtpReply(550, "5.7.1", "one\ntwo"))); got != "550-5.7.1 one\r\n550 5.7.1 two\r\n" {
		t.Errorf("two lines are %q", got)
	}
}

// writeCounter counts the writes to a client.
type writeCounter struct {
	net.Conn
	writes *atomic.Int32
}

func (w writeCounter) Write(p []byte) (int, error) {
	w.writes.Add(1)
	return w.Conn.Write(p)
}

func (w writeCounter) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1024}
}

// Each pipelined group is answered in one write, in clear text and in TLS, where a write is a record.
func TestOneWriteForEachGroup(t *testing.T) {
	for _, secure := range []bool{false, true} {
		r := start(t, open)
		var writes atomic.Int32
		here, there := net.Pipe()
		r.pipe.conns <- writeCounter{there, &writes}
		c := &client{t: t, conn: here, in: bufio.NewReader(here)}
		t.Cleanup(func() { here.Close() })
		c.expect("220")
		if secure {
			c.say("EHLO client.test", "250")
			c.say("STARTTLS", "220")
			c.handshake()
			c.say("NOOP", "250") // the session tickets are out
		}
		for _, group := range []struct {
			send    string
			replies []string
		}{
			{"EHLO client.test\r\n", []string{"250"}},
			{"MAIL FROM:<a@app.test>\r\nRCPT TO:<b@dest.test>\r\nRCPT TO:<bad>\r\nDATA\r\n", []string{"250", "250", "501", "354"}},
			{"hello\r\n.\r\nMAIL FROM:<a@app.test>\r\nRSET\r\nNOOP\r\nXYZZY\r\n", []string{"250 2.0.0 Ok: queued", "250", "250", "250", "500"}},
			{strings.Repeat("NOOP\r\n", 20) + "QUIT\r\n", append(strings.Fields(strings.Repeat("250 ", 20)), "221")},
		} {
			before := writes.Load()
			go c.conn.Write([]byte(group.send))
			c.expect(group.replies...)
			n := writes.Load() - before
			if secure && strings.HasSuffix(group.send, "QUIT\r\n") && n == 2 {
				n-- // close_notify
			}
			if n != 1 {
				t.Errorf("TLS %v: %.30q is answered in %d writes", secure, group.send, n)
			}
		}
	}
}
