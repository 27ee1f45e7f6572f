package smtpclient

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
)

// BenchmarkSend sends messages of 4 KB over a kept connection to a server that does next to nothing, in the same process.
// The time is that of both.
func BenchmarkSend(b *testing.B) {
	ways := []struct{ name, extensions string }{
		{"DATA", "250-PIPELINING\r\n"},
		{"ahead", "250-PIPELINING\r\n"},
		{"BDAT", "250-PIPELINING\r\n250-CHUNKING\r\n"},
	}
	for _, encrypt := range []bool{false, true} {
		for _, way := range ways {
			b.Run(fmt.Sprintf("TLS=%v/%s", encrypt, way.name), func(b *testing.B) {
				c := benchSession(b, encrypt, way.extensions)
				text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, again and again.\r\n"), 64)
				env := Envelope{From: "sender@example.com", To: []string{"recipient@example.org"}, Size: int64(len(text))}
				var next func() (Envelope, bool)
				if way.name == "ahead" {
					next = then(env)
				}
				body := bytes.NewReader(text)
				b.ReportAllocs()
				for b.Loop() {
					body.Reset(text)
					if _, err := c.Send(b.Context(), env, body, next); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// benchSession is a session that has said EHLO.
func benchSession(b *testing.B, encrypt bool, extensions string) *Conn {
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
	c := New(nc, Options{})
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
