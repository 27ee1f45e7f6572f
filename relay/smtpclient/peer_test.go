package smtpclient

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the server's end of a scripted session.
type peer struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func newPeer(t *testing.T, nc net.Conn) *peer {
	return &peer{Conn: nc, t: t, r: bufio.NewReader(nc)}
}

// say sends text as it is.
func (p *peer) say(text string) { io.WriteString(p, text) }

// line reads a line; "" at the end of the session.
func (p *peer) line() string {
	s, _ := p.r.ReadString('\n')
	return strings.TrimSuffix(s, "\r\n")
}

// rest reads all that still comes.
func (p *peer) rest() string {
	b, _ := io.ReadAll(p.r)
	return string(b)
}

// handshake turns the session into TLS.
func (p *peer) handshake(cfg *tls.Config) error {
	tc := tls.Server(p.Conn, cfg)
	err := tc.Handshake()
	p.Conn, p.r = tc, bufio.NewReader(tc)
	return err
}

// play follows a script: "S: x" sends a line (lines with \r\n between them in one piece), "C: x" expects one, "TLS" shakes hands, "CLOSE" hangs up.
func (p *peer) play(script string) {
	for _, step := range strings.Split(strings.TrimSpace(script), "\n") {
		step = strings.TrimSpace(step)
		switch text := step[min(len(step), 3):]; {
		case strings.HasPrefix(step, "S: "):
			p.say(strings.ReplaceAll(text, `\r\n`, "\r\n") + "\r\n")
		case strings.HasPrefix(step, "C: "):
			if got := p.line(); got != text {
				p.t.Errorf("the client sent %q, want %q", got, text)
				p.Close()
				return
			}
		case step == "TLS":
			if err := p.handshake(serverTLS()); err != nil {
				p.t.Errorf("handshake: %v", err)
			}
		case step == "CLOSE":
			p.Close()
			return
		default:
			p.t.Errorf("bad script line %q", step)
		}
	}
}

// serve gives a connection to a server on loopback that does what its function says and then waits for the client's
// end.
func serve(t *testing.T, server func(p *peer)) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err := l.Accept()
		l.Close()
		if err != nil {
			return
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(30 * time.Second))
		p := newPeer(t, nc)
		server(p)
		io.Copy(io.Discard, p.Conn)
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		l.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		<-done
	})
	return nc
}

// scripted is a session against a script.
func scripted(t *testing.T, script string) *Conn {
	t.Helper()
	return New(serve(t, func(p *peer) { p.play(script) }), Options{})
}

// greeted is a session that has said EHLO to a server with the extensions given, and goes on with the script.
func greeted(t *testing.T, extensions, script string) *Conn {
	t.Helper()
	return introduce(t, New(serve(t, func(p *peer) {
		p.greet(extensions)
		if script != "" {
			p.play(script)
		}
	}), Options{}))
}

// greet is the server's side of the introduction.
func (p *peer) greet(extensions string) {
	p.say("220 mx.test ESMTP\r\n")
	p.line()
	p.say("250-mx.test\r\n")
	for _, e := range strings.Fields(extensions) {
		p.say("250-" + strings.ReplaceAll(e, "_", " ") + "\r\n")
	}
	p.say("250 HELP\r\n")
}

func introduce(t *testing.T, c *Conn) *Conn {
	t.Helper()
	if _, err := c.Greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Hello(t.Context(), "relay.test"); err != nil {
		t.Fatal(err)
	}
	return c
}

var identity = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.test"}, DNSNames: []string{"mx.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func serverTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{identity()}} }

func clientTLS() *tls.Config { return &tls.Config{ServerName: "mx.test", InsecureSkipVerify: true} }

// wantError checks stage, reply code (0: none) and reason (nil: any) of an error.
func wantError(t *testing.T, err error, stage string, code int, reason error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no *Error", err)
	}
	got := 0
	if e.Reply != nil {
		got = e.Reply.Code
	}
	if e.Stage != stage || got != code || reason != nil && !errors.Is(err, reason) {
		t.Fatalf("stage %q, code %d, error %v; want %q, %d, %v", e.Stage, got, err, stage, code, reason)
	}
	return e
}
