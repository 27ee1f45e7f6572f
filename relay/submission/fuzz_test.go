package submission

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// recorder collects what a server says.
type recorder struct {
	mu     sync.Mutex
	text   bytes.Buffer
	closed bool
}

func (r *recorder) from(conn net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		r.mu.Lock()
		r.text.Write(buf[:n])
		r.closed = err != nil
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take gives what came since the last call.
func (r *recorder) take() (text string, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text = r.text.String()
	r.text.Reset()
	return text, r.closed
}

// Whatever a client sends, the server either closes or answers the next command in step, all its replies are well
// formed, and there are as many messages as replies that say so.
func FuzzDialogue(f *testing.F) {
	hello := "EHLO client.test\r\n"
	envelope := hello + "MAIL FROM:<a@app.test>\r\nRCPT TO:<b@dest.test>\r\n"
	for _, s := range []string{
		hello, envelope, envelope + "DATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n" + envelope + "DATA\r\nsecond",
		envelope + "DATA\r\nx\r\r\n.\r\n" + evil, envelope + "BDAT 5 LAST\r\nhello", "STARTTLS\r\n", "STARTTLSx\r\nQUIT\r\n",
		hello + "AUTH PLAIN\r\n*\r\n", hello + "AUTH LOGIN\r\nx\r\n",
		hello + "AUTH SCRAM-SHA-256 " + b64("n,,n="+account+",r=x") + "\r\n" + b64("c=biws,r=x,p=x") + "\r\n\r\n", "\x16\x03\x01\x00", "NOOP\nNOOP\r\n",
		"RSET\r\nHELO x\r\n",
		envelope + "RCPT TO:<\"a b\"@c>\r\nMAIL FROM:<x>\r\nDATA\r\n\x00\r\n.\r\n", strings.Repeat("XYZZY\r\n", 12),
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	testCertificate()
	f.Fuzz(func(t *testing.T, input []byte, canLogin bool) {
		synctest.Test(t, func(t *testing.T) {
			on := open
			if canLogin {
				on = Listener{TLS: TLSImplicit, Auth: AuthOptional, Networks: open.Networks}
			}
			r := start(t, on)
			c := r.connect()
			if canLogin {
				c.handshake()
			}
			var said recorder
			go said.from(c.conn)
			// What ends a line, a message and a login; what is none of it is an error.
			for _, piece := range []string{string(input), "\r\n.\r\n", "*\r\n"} {
				io.WriteString(c.conn, piece)
				synctest.Wait()
			}
			replies, _ := said.take()
			checkReplies(t, replies)
			if n := strings.Count(replies, "250 2.0.0 Ok: queued as "); n != len(r.queue.take()) {
				t.Fatalf("%d messages are acknowledged: %q", n, replies)
			}
			io.WriteString(c.conn, "NOOP\r\n")
			synctest.Wait()
			answer, closed := said.take()
			inStep := answer == "250 2.0.0 I have successfully done nothing\r\n"
			if handshake := strings.HasSuffix(replies, "220 2.0.0 Ready to start TLS\r\n"); !inStep && !closed && !handshake {
				t.Fatalf("NOOP is answered by %q after %q", answer, replies)
			}
			c.conn.Close()
		})
	})
}

// checkReplies wants lines of printable ASCII that start with a code.
func checkReplies(t *testing.T, replies string) {
	// A client that spoiled a TLS handshake is answered by a TLS alert.
	_, alert, found := strings.Cut(replies, "220 2.0.0 Ready to start TLS\r\n")
	if found && strings.HasPrefix(alert, "\x15") {
		return
	}
	for line := range strings.Lines(replies) {
		text, complete := strings.CutSuffix(line, "\r\n")
		bad := strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > 126 })
		if !complete || bad || len(text) < 4 || text[0] < '2' || text[0] > '5' {
			t.Fatalf("the reply %q in %q", line, replies)
		}
	}
}

// The content is the same however it is cut, and its lines are those of the wire.
func FuzzBody(f *testing.F) {
	for _, s := range noEnd {
		f.Add([]byte("a"+s+"b"), 3)
	}
	f.Fuzz(func(t *testing.T, wire []byte, size int) {
		size = 1 + (size&0x7fffffff)%7
		wire = append(wire, "\r\n.\r\n"...)
		whole, rest := readBody(wire, len(wire), 4096)
		if pieces, rest2 := readBody(wire, size, size); pieces != whole || rest != rest2 {
			t.Fatalf("%q is %q in one piece and %q in pieces of %d", wire, whole, pieces, size)
		}
		if strings.Contains(strings.ReplaceAll(whole, "\r\n", ""), "\r") {
			t.Fatalf("%q has a stray CR: %q", wire, whole)
		}
		// Dots doubled again, it is what was sent, but for stray CR and single dots at the start of a line.
		again, _ := readBody([]byte(stuff(whole)), 4096, 4096)
		if again != whole {
			t.Fatalf("%q does not come through a second time: %q", whole, again)
		}
	})
}

// stuff is what a client makes of content (RFC 5321, 4.5.2).
func stuff(content string) string {
	return strings.ReplaceAll("\r\n"+content, "\r\n.", "\r\n..")[2:] + ".\r\n"
}

// readBody reads a message that comes in pieces of one size, with reads of another, and gives it and what is behind it.
func readBody(wire []byte, piece, read int) (content, rest string) {
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		defer client.Close()
		for len(wire) > 0 {
			n := min(piece, len(wire))
			if _, err := client.Write(wire[:n]); err != nil {
				return
			}
			wire = wire[n:]
		}
	}()
	s := New(Options{MessageSize: 1 << 30})
	g := &guard{Conn: server, wire: server, srv: s}
	b := g.openBody()
	var out bytes.Buffer
	io.CopyBuffer(struct{ io.Writer }{&out}, struct{ io.Reader }{b}, make([]byte, read))
	if b.err != io.EOF {
		panic(b.err)
	}
	left := string(g.in.window())
	behind, _ := io.ReadAll(server)
	return out.String(), left + string(behind)
}
