package submission

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
)

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
