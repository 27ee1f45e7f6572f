package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	rsakey "crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const mx = "mx.example.test"

// server is a host on loopback, on which the client speaks first.
type server struct {
	target      Target
	connections atomic.Int32
}

func serve(t *testing.T, handle func(net.Conn)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{target: Target{Addr: l.Addr().(*net.TCPAddr).AddrPort(), Name: mx}}
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			sessions.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(20 * time.Second))
				handle(c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); sessions.Wait() })
	return s
}

// dial is the way to such hosts.
func dial(ctx context.Context, t Target) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", t.Addr.String())
}

// identity makes a self-signed certificate.
func identity(t *testing.T, edit func(*x509.Certificate), private *rsakey.PrivateKey) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: mx}, DNSNames: []string{mx},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true, IsCA: true,
	}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}

var rsaKey = sync.OnceValue(func() *rsakey.PrivateKey {
	k, err := rsakey.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// goServer speaks TLS by crypto/tls.
func goServer(c *tls.Config) func(net.Conn) {
	return func(nc net.Conn) {
		tc := tls.Server(nc, c)
		if tc.Handshake() == nil {
			io.Copy(io.Discard, tc)
		}
	}
}

// summary is what a probe found out, in a line: "1.0? 1.1- 1.2+ 1.3+ ECDHE+ DHE- RSA+ PQ+ big+".
func summary(r *Result) string {
	var b strings.Builder
	mark := func(a Answer) string { return []string{"?", "-", "+"}[a] }
	for _, v := range r.Versions {
		fmt.Fprintf(&b, "%s%s ", strings.TrimPrefix(v.Version.String(), "SSL "), mark(v.Offered))
	}
	for _, e := range r.Exchanges {
		fmt.Fprintf(&b, "%s%s ", e.Name, mark(e.Offered))
	}
	fmt.Fprintf(&b, "PQ%s big%s", mark(r.PostQuantum), mark(r.BigHello))
	return b.String()
}

// record puts a TLS record around a body (RFC 5246 section 6.2.1).
func record(kind byte, version uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, version)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}

// serverHello is one from before TLS 1.3, without extensions.
func serverHello(version, suite uint16) []byte {
	b := binary.BigEndian.AppendUint16([]byte{2, 0, 0, 38}, version)
	b = append(append(b, bytes.Repeat([]byte{0x5a}, 32)...), 0)
	return append(binary.BigEndian.AppendUint16(b, suite), 0)
}

// certificateMessage is one with these certificates (RFC 5246 section 7.4.2).
func certificateMessage(chain ...[]byte) []byte {
	length := func(n int) []byte { return []byte{byte(n >> 16), byte(n >> 8), byte(n)} }
	var list []byte
	for _, der := range chain {
		list = append(append(list, length(len(der))...), der...)
	}
	list = append(length(len(list)), list...)
	return append(append([]byte{11}, length(len(list))...), list...)
}

// alert is a fatal one.
func alert(description byte) []byte { return record(21, tls.VersionTLS10, []byte{2, description}) }

// clientHello is what a host reads.
type clientHello struct {
	version uint16 // the newest that is offered
	size    int    // of the record
}

func readHello(t *testing.T, c net.Conn) clientHello {
	t.Helper()
	header := make([]byte, 5)
	if _, err := io.ReadFull(c, header); err != nil {
		t.Error("no ClientHello:", err)
		return clientHello{}
	}
	body := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(c, body); err != nil {
		t.Error("no whole ClientHello:", err)
		return clientHello{}
	}
	h := clientHello{binary.BigEndian.Uint16(body[4:]), 5 + len(body)}
	if bytes.Contains(body, []byte{0, extVersions, 0, 3, 2, 3, 4}) {
		h.version = tls.VersionTLS13
	}
	return h
}

// stack is a host that reads a ClientHello, answers, and wants to hear no more. Where it has no answer it hangs up.
func stack(t *testing.T, answer func(clientHello) []byte) func(net.Conn) {
	return func(c net.Conn) {
		say := answer(readHello(t, c))
		if say == nil {
			return
		}
		c.Write(say)
		if more, _ := io.ReadAll(c); len(more) > 0 && !isAlert(more) {
			t.Errorf("the probe said more than a ClientHello: %x", more)
		}
	}
}

// isAlert knows what crypto/tls says when a ServerHello is not to its liking.
func isAlert(b []byte) bool { return len(b) == 7 && b[0] == recordAlert }
