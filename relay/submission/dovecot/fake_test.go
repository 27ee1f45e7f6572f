package dovecot

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "s3cr3t-pass/w0rd"

// dovecotGreeting is what Dovecot 2.3 says first.
const dovecotGreeting = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t4711\nCUID\t3\nCOOKIE\t0123456789abcdef\nDONE\n"

// logText is a log that tests may read while it is written.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// fake is a Dovecot whose connections serve handles, one after the other; the last of them handles all further ones.
type fake struct {
	t      *testing.T
	client *Client
	log    *logText

	mu    sync.Mutex
	serve []func(*peer)
	dials int
	open  int // connections
}

// peer is the fake's end of a connection.
type peer struct {
	net.Conn
	in *bufio.Reader
}

// read gives the fields of the client's next line; none if it has gone.
func (p *peer) read() []string {
	line, err := p.in.ReadString('\n')
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(line, "\n"), "\t")
}

func (p *peer) say(text string) { io.WriteString(p, text) }

// greet is how a conversation begins.
func (p *peer) greet() {
	p.read()
	p.read()
	p.say(dovecotGreeting)
}

func newFake(t *testing.T, serve ...func(*peer)) *fake {
	f := &fake{t: t, log: &logText{}, serve: serve}
	f.client = New("/run/test", slog.New(slog.NewTextHandler(f.log, nil)))
	f.client.dial = func(context.Context) (net.Conn, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.dials++
		handle := f.serve[0]
		if len(f.serve) > 1 {
			f.serve = f.serve[1:]
		}
		if handle == nil {
			return nil, &net.OpError{Op: "dial", Net: "unix", Err: os.ErrNotExist}
		}
		client, server := net.Pipe()
		go func() {
			defer f.count(-1)
			defer server.Close()
			f.count(1)
			handle(&peer{server, bufio.NewReader(server)})
		}()
		return client, nil
	}
	t.Cleanup(func() {
		f.client.Close()
		for _, s := range []string{secret, base64.StdEncoding.EncodeToString([]byte("\x00app\x00" + secret))} {
			if strings.Contains(f.log.String(), s) {
				t.Errorf("the password is in the log:\n%s", f.log)
			}
		}
	})
	return f
}

// connections gives how many are open, when all has been done that can be.
func (f *fake) connections() int {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

func (f *fake) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open += n
}

// answering says yes to the right password, as the user in capitals.
func answering(p *peer) {
	p.greet()
	for {
		request := p.read()
		if request == nil {
			return
		}
		p.say(verdict(request))
	}
}

// verdict is the line that answers a request.
func verdict(request []string) string {
	response, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(request[len(request)-1], "resp="))
	parts := strings.Split(string(response), "\x00")
	if request[0] != "AUTH" || len(parts) != 3 || parts[2] != secret {
		return "FAIL\t" + request[1] + "\tuser=x\n"
	}
	return "OK\t" + request[1] + "\tuser=" + strings.ToUpper(parts[1]) + "\n"
}

func (f *fake) check(name, password string) (user string, ok bool, err error) {
	return f.client.Check(f.t.Context(), Login{Name: name, Password: password})
}

// wantRight logs in.
func (f *fake) wantRight() {
	f.t.Helper()
	if user, ok, err := f.check("app", secret); user != "APP" || !ok || err != nil {
		f.t.Errorf("a right login: %q, %v, %v; log:\n%s", user, ok, err, f.log)
	}
}

// wantTrouble wants a login that cannot be checked, within a time.
func (f *fake) wantTrouble(within time.Duration) {
	f.t.Helper()
	begin := time.Now()
	user, ok, err := f.check("app", secret)
	if user != "" || ok || !errors.Is(err, ErrUnavailable) {
		f.t.Errorf("%q, %v, %v", user, ok, err)
	}
	if took := time.Since(begin); took > within {
		f.t.Errorf("that took %v", took)
	}
}
