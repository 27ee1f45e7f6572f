package probe

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
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

// server is a host whose connections begin with the ClientHello.
type server struct {
	target      Target
	connections atomic.Int32
	now, most   atomic.Int32 // connections at once
	reach       net.Listener
	sessions    sync.WaitGroup
}

// serve runs a host on loopback.
func serve(t *testing.T, handle func(net.Conn)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{reach: l, target: Target{Addr: l.Addr().(*net.TCPAddr).AddrPort(), Name: mx}}
	s.sessions.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.sessions.Go(func() { s.handle(c, handle) })
		}
	})
	t.Cleanup(func() { l.Close(); s.sessions.Wait() })
	return s
}

func (s *server) handle(c net.Conn, handle func(net.Conn)) {
	s.connections.Add(1)
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	handle(c)
}

// dial is a way to hosts on which the client speaks first.
func dial(ctx context.Context, t Target) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", t.Addr.String())
}

// identity makes a self-signed certificate.
func identity(t *testing.T, edit func(*x509.Certificate), private any) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: mx}, DNSNames: []string{mx},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true, IsCA: true,
	}
	if edit != nil {
		edit(template)
	}
	var public any
	switch k := private.(type) {
	case *rsakey.PrivateKey:
		public = k.Public()
	case *ecdsa.PrivateKey:
		public = k.Public()
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
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

func ecdsaKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

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

func TestProbe(t *testing.T) {
	id := identity(t, nil, rsaKey())
	with := func(oldest, newest uint16, edit func(*tls.Config)) func(net.Conn) {
		c := &tls.Config{Certificates: []tls.Certificate{id}, MinVersion: oldest, MaxVersion: newest}
		if edit != nil {
			edit(c)
		}
		return goServer(c)
	}
	tests := []struct {
		name   string
		server func(net.Conn)
		want   string
	}{
		{"TLS 1.0 to 1.3", with(tls.VersionTLS10, 0, nil), "3.0- 1.0+ 1.1+ 1.2+ 1.3+ ECDHE+ DHE- RSA- PQ+ big+"},
		{"TLS 1.2 and 1.3", with(tls.VersionTLS12, 0, nil), "3.0- 1.0- 1.1- 1.2+ 1.3+ ECDHE+ DHE- RSA- PQ+ big+"},
		{"TLS 1.3 alone", with(tls.VersionTLS13, 0, nil), "3.0- 1.0- 1.1- 1.2- 1.3+ PQ+ big+"},
		{"TLS 1.0 and 1.1", with(tls.VersionTLS10, tls.VersionTLS11, nil), "3.0- 1.0+ 1.1+ 1.2- 1.3- ECDHE+ DHE- RSA- PQ- big+"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.server)
			r := New(Options{Open: dial}).Probe(t.Context(), s.target)
			if got := summary(r); got != tt.want {
				t.Errorf("got  %s\nwant %s\n%+v", got, tt.want, r)
			}
			t.Logf("%d connections", s.connections.Load())
		})
	}
}
