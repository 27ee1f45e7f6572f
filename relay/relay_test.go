package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	netsmtp "net/smtp"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"tlsrelay/configs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a mail host without TLS that keeps what it gets, once it is open.
type sink struct {
	got  chan string
	open *atomic.Bool
}

func (s sink) NewSession(*smtp.Conn) (smtp.Session, error) { return s, nil }
func (s sink) Reset()                                      {}
func (s sink) Logout() error                               { return nil }
func (s sink) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	return nil
}
func (s sink) Mail(string, *smtp.MailOptions) error {
	if !s.open.Load() {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "closed"}
	}
	return nil
}
func (s sink) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.got <- string(b)
	return err
}

func startSink(t *testing.T, open bool) (address string, s sink) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = sink{make(chan string, 100), new(atomic.Bool)}
	s.open.Store(open)
	server := smtp.NewServer(s)
	server.Domain = "mx.test"
	var served sync.WaitGroup
	served.Go(func() { server.Serve(l) })
	t.Cleanup(func() { server.Close(); served.Wait() })
	return l.Addr().String(), s
}

// logLines is a log that can be read while it is written.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// find gives the first line with the message, decoded and as it is.
func (l *logLines) find(t *testing.T, msg string) (map[string]any, string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		l.mu.Lock()
		text := l.b.String()
		l.mu.Unlock()
		for line := range strings.Lines(text) {
			var fields map[string]any
			if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == msg {
				return fields, line
			}
		}
	}
	t.Fatalf("no line with msg=%s in the log:\n%s", msg, l.b.String())
	return nil, ""
}

// testRelay runs a relay in which all mail goes to next; stop stops it.
func testRelay(t *testing.T, dir, next string) (r *Relay, address string, log *logLines, stop func()) {
	t.Helper()
	return runRelay(t, testConfig(t, dir, next))
}

func runRelay(t *testing.T, cfg *configs.Config) (r *Relay, address string, log *logLines, stop func()) {
	t.Helper()
	log = &logLines{}
	r, err := New(cfg, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	log.find(t, "ready")
	return r, r.Addrs()[0].String(), log, func() {
		t.Helper()
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the relay does not stop")
		}
	}
}

func testConfig(t *testing.T, dir, next string) *configs.Config {
	t.Helper()
	cfg, err := configs.Parse(filepath.Join(dir, "relay.toml"), fmt.Appendf(nil, `
hostname = "relay.test"
data_dir = "data"
[[listener]]
address = "127.0.0.1:0"
tls = "starttls"
auth = "optional"
networks = ["127.0.0.0/8"]
[[route]]
domain = "*"
hosts = [%q]
[tls]
level = "opportunistic"
`, next))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func sendMail(t *testing.T, address string, to ...string) {
	t.Helper()
	c, err := netsmtp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("app@sender.test"); err != nil {
		t.Fatal(err)
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			t.Fatal(err)
		}
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "From: <app@sender.test>\r\nSubject: hello\r\n\r\n.hello\r\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLogContract(t *testing.T) {
	next, host := startSink(t, true)
	_, address, log, stop := testRelay(t, t.TempDir(), next)
	sendMail(t, address, "a@dest.test")
	text := <-host.got
	if !strings.Contains(text, "\r\n\r\n.hello\r\n") || !strings.HasPrefix(text, "Received: from ") || !strings.Contains(text, "by relay.test") {
		t.Errorf("received %q", text)
	}
	accepted, _ := log.find(t, "accepted")
	delivery, line := log.find(t, "delivery")
	stop()
	if delivery["id"] != accepted["id"] || delivery["id"] == nil {
		t.Errorf("accepted %v, delivered %v", accepted, delivery)
	}
	for key, want := range map[string]any{
		"sender": "app@sender.test", "recipient": "a@dest.test", "host": "127.0.0.1", "address": next, "result": "delivered",
		"cause": "", "status": "2.0.0", "tls_version": "", "attempt": float64(1),
	} {
		if delivery[key] != want {
			t.Errorf("%s is %v, want %v", key, delivery[key], want)
		}
	}
	last := 0
	for _, key := range strings.Fields(
		"msg id sender recipient host address result cause status reply tls_version tls_cipher tls_group attempt delay_ms") {
		at := strings.Index(line, `"`+key+`":`)
		if at < last {
			t.Errorf("key %s is missing or out of order in %s", key, line)
		}
		last = at
	}
}

func TestStopAndStartKeepMail(t *testing.T) {
	address, host := startSink(t, false)
	dir := t.TempDir()
	r, submit, log, stop := testRelay(t, dir, address)
	cfg := r.cfg
	sendMail(t, submit, "a@dest.test", "b@other.test")
	if d, _ := log.find(t, "delivery"); d["cause"] != "remote-temporary" {
		t.Errorf("delivery %v", d)
	}
	if n := count(t, cfg); n != 1 { // over the control socket
		t.Errorf("%d messages are queued", n)
	}
	if _, err := New(cfg, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("a second relay on the same data folder starts")
	}
	stop()
	if n := count(t, cfg); n != 1 { // from the spool
		t.Errorf("%d messages are queued after the stop", n)
	}

	host.open.Store(true)
	_, _, _, stop = testRelay(t, dir, address)
	q, err := OpenQueue(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := q.Retry(context.Background(), Selection{All: true}); n != 1 || err != nil {
		t.Errorf("retry: %d, %v", n, err)
	}
	q.Close()
	for range 2 {
		select {
		case <-host.got:
		case <-time.After(10 * time.Second):
			t.Fatal("not delivered after the start")
		}
	}
	stop()
	if n := count(t, cfg); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

func count(t *testing.T, cfg *configs.Config) int {
	t.Helper()
	q, err := OpenQueue(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	n := 0
	if err := q.List(context.Background(), Selection{All: true}, func(Message) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReload(t *testing.T) {
	closed, _ := startSink(t, false)
	open, host := startSink(t, true)
	dir := t.TempDir()
	r, submit, log, stop := testRelay(t, dir, closed)
	defer stop()
	sendMail(t, submit, "a@dest.test")
	log.find(t, "delivery")

	next := testConfig(t, dir, open)
	next.Limits.Recipients++
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	if line, _ := log.find(t, "the configuration was read again, but some changes need a restart"); line["changed"] != "limits" {
		t.Errorf("log %v", line)
	}
	bad := testConfig(t, dir, open)
	bad.Routes[0].PasswordFile = filepath.Join(dir, "missing")
	if err := r.Reload(bad); err == nil {
		t.Error("a route without its password is taken")
	}
	q, err := OpenQueue(context.Background(), next, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if n, err := q.Retry(context.Background(), Selection{Domain: "dest.test"}); n != 1 || err != nil {
		t.Errorf("retry: %d, %v", n, err)
	}
	select {
	case <-host.got:
	case <-time.After(10 * time.Second):
		t.Error("queued mail does not take the new route")
	}
}
