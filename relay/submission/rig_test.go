package submission

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xdg-go/scram"
	"go.uber.org/goleak"

	"tlsrelay/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	hostname = "relay.test"
	account  = "app@example.org"
	secret   = "s3cr3t-pass/w0rd"
)

// testCertificate is self-signed; clients here do not check it.
var testCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	end := time.Now().Add(time.Hour)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{hostname}, NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// fakeQueue keeps what it got in memory.
type fakeQueue struct {
	ids        queue.IDSource
	bodyErr    error // of NewBody
	writeErr   error // of the body's Write
	enqueueErr error

	mu   sync.Mutex
	mail []queued
	open int // bodies neither enqueued nor discarded
}

type queued struct {
	queue.Item
	text string
}

type fakeBody struct {
	q    *fakeQueue
	text bytes.Buffer
	done bool
}

func (q *fakeQueue) NewBody(context.Context) (queue.Body, error) {
	if q.bodyErr != nil {
		return nil, q.bodyErr
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open++
	return &fakeBody{q: q}, nil
}

func (q *fakeQueue) NextID() queue.ID { return q.ids.Next(time.Now()) }

func (q *fakeQueue) Enqueue(_ context.Context, item queue.Item, b queue.Body) error {
	if q.enqueueErr != nil {
		return q.enqueueErr
	}
	q.mu.Lock()
	q.mail = append(q.mail, queued{item, b.(*fakeBody).text.String()})
	q.mu.Unlock()
	b.Discard()
	return nil
}

// take gives the messages that came since the last call.
func (q *fakeQueue) take() []queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	mail := q.mail
	q.mail = nil
	return mail
}

func (b *fakeBody) Write(p []byte) (int, error) {
	if b.q.writeErr != nil {
		return 0, b.q.writeErr
	}
	return b.text.Write(p)
}

func (b *fakeBody) Size() int64 { return int64(b.text.Len()) }

func (b *fakeBody) Discard() {
	b.q.mu.Lock()
	defer b.q.mu.Unlock()
	if !b.done {
		b.q.open--
	}
	b.done = true
}

// fakeAccounts has one account. The name "trouble" makes an error.
type fakeAccounts struct{}

func (fakeAccounts) Verify(name, password string) (bool, error) {
	if name == "trouble" {
		return false, io.ErrUnexpectedEOF
	}
	return name == account && password == secret, nil
}

func (fakeAccounts) Has(name string) (bool, error) { return name == account, nil }

func (fakeAccounts) SCRAM() bool { return true }

func (fakeAccounts) Keys(name string) (scram.StoredCredentials, error) {
	switch name {
	case "trouble":
		return scram.StoredCredentials{}, io.ErrUnexpectedEOF
	case account:
		return testKeys(), nil
	}
	return scram.StoredCredentials{KeyFactors: testKeys().KeyFactors, StoredKey: []byte("fits"), ServerKey: []byte("nothing")}, nil
}

var testKeys = sync.OnceValue(func() scram.StoredCredentials {
	c, err := scram.SHA256.NewClient(account, secret, "")
	if err != nil {
		panic(err)
	}
	return c.GetStoredCredentials(scram.KeyFactors{Salt: "salt of the test", Iters: 4096})
})

// logBuffer is a log that tests may read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// pipeListener makes connections that pass each write on as it is. Clients come from 192.0.2.1.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 25), Port: 25} }

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- pipeConn{server}
	return client
}

type pipeConn struct{ net.Conn }

func (pipeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1024} }

// rig is a server with all around it that it needs.
type rig struct {
	t      testing.TB
	server *Server
	queue  *fakeQueue
	log    *logBuffer
	pipe   *pipeListener
	stop   func() // and wait for the end
}

func networks(cidr ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, c := range cidr {
		list = append(list, netip.MustParsePrefix(c))
	}
	return list
}

// open says that the client at the other end of the pipe may relay.
var open = Listener{TLS: TLSStartTLS, Auth: AuthOptional, Networks: networks("192.0.2.0/24")}

// start serves l on a pipe, unless it has an address.
func start(t testing.TB, l Listener, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, queue: &fakeQueue{}, log: &logBuffer{}, pipe: newPipeListener()}
	if l.Address == "" {
		l.Net = r.pipe
	}
	o := Options{
		Hostname: hostname, Listeners: []Listener{l}, MessageSize: 1 << 20, Recipients: 5, Connections: 20, ConnectionsPerAddress: 20,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{testCertificate()}},
		Accounts:  fakeAccounts{}, Queue: r.queue, Lifetime: 72 * time.Hour, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&o)
	}
	r.server = New(o)
	if err := r.server.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		r.stop()
		r.check()
	})
	return r
}

// check looks for what must never be.
func (r *rig) check() {
	log := r.log.String()
	for _, s := range []string{secret, "\x00" + account + "\x00" + secret, account + "\x00" + secret} {
		if strings.Contains(log, s) || strings.Contains(log, base64.StdEncoding.EncodeToString([]byte(s))) {
			r.t.Errorf("the password is in the log:\n%s", log)
		}
	}
	if strings.Contains(log, "panic") {
		r.t.Errorf("a panic:\n%s", log)
	}
	if r.queue.open != 0 {
		r.t.Errorf("%d bodies are left open", r.queue.open)
	}
}

// client speaks with a server line by line.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// dial connects and reads the greeting.
func (r *rig) dial() *client {
	r.t.Helper()
	c := r.connect()
	c.expect("220 " + hostname + " ESMTP")
	return c
}

func (r *rig) connect() *client {
	r.t.Helper()
	var conn net.Conn
	if r.server.opts.Listeners[0].Net != nil {
		conn = r.pipe.dial()
	} else {
		var err error
		if conn, err = net.Dial(r.server.Addresses()[0].Network(), r.server.Addresses()[0].String()); err != nil {
			r.t.Fatal(err)
		}
	}
	return newClient(r.t, conn)
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// dialTLS connects, says EHLO and does STARTTLS; the server waits for EHLO again.
func (r *rig) dialTLS() *client {
	r.t.Helper()
	c := r.dial()
	c.say("EHLO client.test", "250")
	c.say("STARTTLS", "220 2.0.0")
	c.handshake()
	return c
}

func (c *client) handshake() {
	c.t.Helper()
	conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
}

// send writes without waiting for the other side to read.
func (c *client) send(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, raw); err != nil {
		c.t.Fatalf("sending %.60q: %v", raw, err)
	}
}

// reply reads one reply, all its lines.
func (c *client) reply() (string, error) {
	var reply strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return reply.String() + line, err
		}
		reply.WriteString(line)
		if len(line) < 4 || line[3] != '-' {
			return reply.String(), nil
		}
	}
}

// expect reads replies that start with these words.
func (c *client) expect(replies ...string) string {
	c.t.Helper()
	var got string
	for _, want := range replies {
		var err error
		got, err = c.reply()
		if err != nil || !strings.HasPrefix(got, want) {
			c.t.Fatalf("reply %q, %v; want %q", got, err, want)
		}
	}
	return got
}

// say sends a command and wants this reply.
func (c *client) say(command, reply string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	got, err := c.reply()
	if err != nil || !strings.HasPrefix(got, reply) {
		c.t.Fatalf("%.60q is answered by %q, %v; want %q", command, got, err, reply)
	}
	return got
}

// expectEnd wants the connection closed and nothing more said.
func (c *client) expectEnd() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); len(rest) > 0 || err != nil && strings.Contains(err.Error(), "timeout") {
		c.t.Fatalf("the connection goes on: %q, %v", rest, err)
	}
}

// mail goes as far as the 354.
func (c *client) mail() {
	c.t.Helper()
	c.say("MAIL FROM:<a@app.test>", "250 2.1.0")
	c.say("RCPT TO:<b@dest.test>", "250 2.1.5")
	c.say("DATA", "354")
}
