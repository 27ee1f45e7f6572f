package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"

	"tlsrelay/tlspolicy"
)

// reply is a connection on which the same answer comes, whatever is said.
type reply struct {
	io.Reader
	net.Conn
}

func (r reply) Read(b []byte) (int, error)       { return r.Reader.Read(b) }
func (r reply) Write(b []byte) (int, error)      { return len(b), nil }
func (r reply) Close() error                     { return nil }
func (r reply) SetDeadline(time.Time) error      { return nil }
func (r reply) SetReadDeadline(time.Time) error  { return nil }
func (r reply) SetWriteDeadline(time.Time) error { return nil }

// FuzzProbe has a host answer with any bytes. What a probe says of that is bounded, and in words that are safe to print.
func FuzzProbe(f *testing.F) {
	id := identity(&testing.T{}, nil, rsaKey())
	der := id.Certificate[0]
	for _, seed := range [][]byte{
		nil, alert(40), alert(70), []byte("454 4.7.0 not now\r\n"), {0x80, 3, 0, 0, 1},
		record(22, tls.VersionTLS10, serverHello(tls.VersionTLS10, rc4)),
		record(22, tls.VersionTLS12, append(serverHello(tls.VersionTLS12, dheAES), certificateMessage(der)...)),
		record(22, tls.VersionTLS12, append(serverHello(tls.VersionTLS12, dheAES), certificateMessage(der, der[:100], nil)...)),
		append(record(21, 0x0301, []byte{1, 112}), alert(70)...),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		connections := 0
		r := New(Options{Open: func(context.Context, Target) (net.Conn, error) {
			connections++
			return reply{Reader: bytes.NewReader(answer)}, nil
		}}).Probe(t.Context(), target("192.0.2.1:25"))
		if connections > maxConnections || len(r.Versions) != len(versions) {
			t.Fatalf("%d connections, %+v", connections, r)
		}
		for _, v := range r.Versions {
			safe(t, v.Seen, 200)
			if cause, proven := r.Settle(tlspolicy.Decision{}, tlspolicy.HandshakeFailed); proven && cause.Key == "" {
				t.Fatalf("proven is nothing: %+v", r)
			}
		}
		if c := r.Certificate; c != nil {
			safe(t, c.Problem, maxWords+10)
			safe(t, c.Issuer, 4*maxName)
			safe(t, c.Key, 50)
			if len(c.Names) > maxNames {
				t.Fatalf("%d names", len(c.Names))
			}
			for _, n := range c.Names {
				safe(t, n, 4*maxName)
			}
		}
	})
}

func safe(t *testing.T, s string, most int) {
	t.Helper()
	if len(s) > most || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != ' ' }) {
		t.Fatalf("%d bytes: %q", len(s), s)
	}
}
