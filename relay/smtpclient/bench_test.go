package smtpclient

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
)

// way is how messages go over a kept session.
type way struct{ name, extensions string }

var ways = []way{
	{"DATA", "250-PIPELINING\r\n"},
	{"ahead", "250-PIPELINING\r\n"},
	{"BDAT", "250-PIPELINING\r\n250-CHUNKING\r\n"},
}

// sender gives a function that sends a message of 4 KB.
func (w way) sender(c *Conn) func(context.Context) error {
	text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, again and again.\r\n"), 64)
	env := Envelope{From: "sender@example.com", To: []string{"recipient@example.org"}, Size: int64(len(text))}
	var next func() (Envelope, bool)
	if w.name == "ahead" {
		next = then(env)
	}
	body := bytes.NewReader(text)
	return func(ctx context.Context) error {
		body.Reset(text)
		_, err := c.Send(ctx, env, body, next)
		return err
	}
}

// turns counts how often the client wrote and then had to wait for the server.
type turns struct {
	net.Conn
	wrote bool
	n     int
}

func (t *turns) Write(b []byte) (int, error) {
	t.wrote = true
	return t.Conn.Write(b)
}

func (t *turns) Read(b []byte) (int, error) {
	if t.wrote {
		t.n++
	}
	t.wrote = false
	return t.Conn.Read(b)
}

// TestRoundTrips counts what a far-away server would make long.
func TestRoundTrips(t *testing.T) {
	const messages = 10
	want := map[string]int{"DATA": 2 * messages, "ahead": messages + 1, "BDAT": messages}
	for _, encrypt := range []bool{false, true} {
		for _, way := range ways {
			count := &turns{}
			c := kept(t, encrypt, way.extensions, func(nc net.Conn) net.Conn { count.Conn = nc; return count })
			count.n = 0
			send := way.sender(c)
			for range messages {
				if err := send(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if count.n != want[way.name] {
				t.Errorf("%s, TLS %v: %d round trips for %d messages, want %d", way.name, encrypt, count.n, messages, want[way.name])
			}
		}
	}
}

// BenchmarkSend sends messages of 4 KB over a kept connection to a server that does next to nothing, in the same process.
// The time is that of both.
func BenchmarkSend(b *testing.B) {
	for _, encrypt := range []bool{false, true} {
		for _, way := range ways {
			b.Run(fmt.Sprintf("TLS=%v/%s", encrypt, way.name), func(b *testing.B) {
				c := kept(b, encrypt, way.extensions, func(nc net.Conn) net.Conn { return nc })
				send := way.sender(c)
				b.ReportAllocs()
				for b.Loop() {
					if err := send(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// kept is a session that has said EHLO to a server that agrees to all.
func kept(b testing.TB, encrypt bool, extensions string, wrap func(net.Conn) net.Conn) *Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer l.Close()
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		if encrypt {
			nc = tls.Server(nc, serverTLS())
		}
		agree(nc, extensions)
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	c := New(wrap(nc), Options{})
	b.Cleanup(func() { c.Close(); <-done })
	if encrypt {
		if _, _, err := c.Handshake(b.Context(), clientTLS()); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := c.Greeting(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Hello(b.Context(), "relay.test"); err != nil {
		b.Fatal(err)
	}
	return c
}

// agree is a server that says yes to everything. It answers when it has read all that there is.
func agree(nc net.Conn, extensions string) {
	r, w := bufio.NewReader(nc), bufio.NewWriter(nc)
	w.WriteString("220 mx.test ESMTP\r\n")
	data := false
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadSlice('\n')
		switch {
		case err != nil:
			return
		case data && string(line) != ".\r\n":
		case data:
			data = false
			w.WriteString("250 2.0.0 taken\r\n")
		case bytes.HasPrefix(line, []byte("EHLO")):
			w.WriteString("250-mx.test\r\n" + extensions + "250 SIZE\r\n")
		case bytes.HasPrefix(line, []byte("BDAT ")):
			n := 0
			for _, c := range line[len("BDAT ") : bytes.IndexByte(line[5:], ' ')+5] {
				n = n*10 + int(c-'0')
			}
			r.Discard(n)
			w.WriteString("250 2.0.0 taken\r\n")
		case string(line) == "DATA\r\n":
			data = true
			w.WriteString("354 go ahead\r\n")
		default:
			w.WriteString("250 2.1.0 fine\r\n")
		}
	}
}
