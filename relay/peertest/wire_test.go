//go:build linux

package peertest

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// wireHost is a mail host without TLS that keeps messages as they come over the wire, dots doubled, up to the strict end:
// CR LF dot CR LF. Each line and each message gets its reply.
type wireHost struct {
	open net.Listener
	done sync.WaitGroup

	mu   sync.Mutex
	mail []string
}

func (n *network) startWireHost(t *testing.T, addr string) *wireHost {
	t.Helper()
	open, err := net.Listen("tcp", n.at(addr))
	if err != nil {
		t.Fatal(err)
	}
	h := &wireHost{open: open}
	h.done.Go(func() {
		for {
			conn, err := open.Accept()
			if err != nil {
				return
			}
			h.done.Go(func() { h.serve(conn) })
		}
	})
	t.Cleanup(func() {
		open.Close()
		h.done.Wait()
	})
	return h
}

func (h *wireHost) serve(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 wire.test ESMTP\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch strings.ToUpper(strings.TrimSpace(line)) {
		case "DATA":
			fmt.Fprint(conn, "354 go on\r\n")
			if !h.receive(in) {
				return
			}
			fmt.Fprint(conn, "250 2.0.0 kept\r\n")
		case "QUIT":
			fmt.Fprint(conn, "221 2.0.0 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 8BITMIME\r\n")
		}
	}
}

// receive keeps one message, with its end.
func (h *wireHost) receive(in *bufio.Reader) bool {
	var text strings.Builder
	for !strings.HasSuffix("\r\n"+text.String(), "\r\n.\r\n") {
		c, err := in.ReadByte()
		if err != nil {
			return false
		}
		text.WriteByte(c)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mail = append(h.mail, text.String())
	return true
}

// take waits for as many messages, and gives all there are and forgets them.
func (h *wireHost) take(t *testing.T, count int) []string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		h.mu.Lock()
		mail := h.mail
		if len(mail) >= count {
			h.mail = nil
		}
		h.mu.Unlock()
		if len(mail) >= count {
			return mail
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages came, want %d", len(mail), count)
		}
	}
}

// checkWire wants the rule of the wire: CR and LF only together, no NUL, no line over 998 octets, and no line that is a
// single dot before the end.
func checkWire(t *testing.T, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n")
	for i, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") || len(line) > 999 { // a doubled dot does not count
			t.Errorf("line %d breaks the rule of the wire: %q", i, line)
		}
		if strings.HasPrefix(line, ".") && !strings.HasPrefix(line, "..") && i < len(lines)-1 {
			t.Errorf("line %d has a dot that is not doubled: %q", i, line)
		}
	}
}
