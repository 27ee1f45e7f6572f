package delivery

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// mx is a mail host on a loopback address of its own. The zero behaviour is a good host without STARTTLS.
type mx struct {
	tls     *tls.Config       // offer STARTTLS with this
	at465   bool              // start with TLS instead
	ehlo    []string          // further EHLO lines
	replies map[string]string // instead of the usual reply to a command, by its first words: "RCPT TO:<a@b>", "MAIL"; "" hangs up
	greet   string
	most    int    // messages on one connection; 0: any number
	enough  string // what it says to the next MAIL then; "" hangs up with the last message

	t    *testing.T
	addr string

	mu       sync.Mutex
	inClear  bytes.Buffer // all that arrived before TLS
	commands []string
	clients  []string // address and name of the client, at each EHLO
	bodies   []string
}

// start listens on ip and the port that all MX hosts of the test share; port 0 chooses it.
func (m *mx) start(t *testing.T, ip string, port string) *mx {
	t.Helper()
	m.t = t
	l, err := net.Listen("tcp", net.JoinHostPort(ip, port))
	if err != nil {
		t.Fatal(err)
	}
	m.addr = l.Addr().String()
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(20 * time.Second))
				m.serve(c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); sessions.Wait() })
	return m
}

func (m *mx) port() string { _, p, _ := net.SplitHostPort(m.addr); return p }

func (m *mx) greeted(c net.Conn, ehlo string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, name, _ := strings.Cut(ehlo, " ")
	m.clients = append(m.clients, c.RemoteAddr().(*net.TCPAddr).IP.String()+" "+name)
}

// callers lists the addresses and names with which clients said EHLO.
func (m *mx) callers() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.clients)
}

// clearReader copies what comes before TLS.
type clearReader struct {
	io.Reader
	m *mx
}

func (r clearReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.m.mu.Lock()
	r.m.inClear.Write(b[:n])
	r.m.mu.Unlock()
	return n, err
}

func (m *mx) serve(c net.Conn) {
	in := textproto.NewReader(bufio.NewReader(clearReader{c, m}))
	encrypted, taken := false, 0
	say := func(s string) { io.WriteString(c, s+"\r\n") }
	if m.at465 {
		tc := tls.Server(c, m.tls)
		if tc.Handshake() != nil {
			return
		}
		c, encrypted = tc, true
		in = textproto.NewReader(bufio.NewReader(c))
	}
	if m.greet != "" {
		say(m.greet)
	} else {
		say("220 mx.test ESMTP")
	}
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		m.mu.Lock()
		m.commands = append(m.commands, line)
		m.mu.Unlock()
		if m.most > 0 && taken == m.most && strings.HasPrefix(strings.ToUpper(line), "MAIL") {
			say(m.enough)
			return
		}
		if reply, ok := m.scripted(line); ok {
			if reply == "" {
				return
			}
			say(reply)
			continue
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
		case "EHLO":
			m.greeted(c, line)
			lines := append([]string{"mx.test"}, m.ehlo...)
			if m.tls != nil && !encrypted {
				lines = append(lines, "STARTTLS")
			}
			for i, l := range lines {
				say(map[bool]string{true: "250 ", false: "250-"}[i == len(lines)-1] + l)
			}
		case "STARTTLS":
			say("220 go ahead")
			tc := tls.Server(c, m.tls)
			if tc.Handshake() != nil {
				return
			}
			c, encrypted = tc, true
			in = textproto.NewReader(bufio.NewReader(c))
		case "DATA":
			say("354 go ahead")
			body, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			if reply, ok := m.scripted("DOT"); ok {
				if reply == "" {
					return
				}
				say(reply)
				continue
			}
			m.mu.Lock()
			m.bodies = append(m.bodies, string(body))
			m.mu.Unlock()
			say("250 2.0.0 taken")
			if taken++; taken == m.most && m.enough == "" {
				return
			}
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// scripted finds the longest key that the line starts with.
func (m *mx) scripted(line string) (reply string, ok bool) {
	best := -1
	for key, r := range m.replies {
		if strings.HasPrefix(strings.ToUpper(line), strings.ToUpper(key)) && len(key) > best {
			best, reply, ok = len(key), r, true
		}
	}
	return reply, ok
}

func (m *mx) received() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.bodies...)
}

func (m *mx) seenInClear() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inClear.String()
}

func (m *mx) dialogue() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.commands, "\n")
}

// authority issues the certificates of the test's hosts.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// server makes a TLS configuration for a host.
func (a *authority) server(t *testing.T, name string, lowest, highest uint16) *tls.Config {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: a.key}},
		MinVersion:   lowest, MaxVersion: highest,
	}
}
