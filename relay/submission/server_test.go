package submission

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	netsmtp "net/smtp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

var loopback = Listener{Address: "127.0.0.1:0", TLS: TLSStartTLS, Auth: AuthOptional, Networks: networks("127.0.0.0/8")}

// Half-closing the connection within a message is no end of the message.
func TestConnectionEndsWithinMessage(t *testing.T) {
	for _, secure := range []bool{false, true} {
		r := start(t, loopback)
		c := r.dial()
		if secure {
			c = r.dialTLS()
		}
		c.say("EHLO client.test", "250")
		c.mail()
		c.send("Subject: x\r\n\r\nhalf a mess")
		if err := c.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.expect("421 4.4.2")
		c.expectEnd()
		r.stop()
		if mail := r.queue.take(); len(mail) != 0 {
			t.Errorf("%d messages", len(mail))
		}
	}
}

func TestStandardClient(t *testing.T) {
	r := start(t, loopback)
	addr := r.server.Addresses()[0].String()
	conn, err := netsmtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Auth(netsmtp.PlainAuth("", account, secret, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(conn.Mail("a@app.test"), conn.Rcpt("b@dest.test"))
	w, err2 := conn.Data()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	_, err = w.Write([]byte("Subject: x\n\n.dot\nhello\n"))
	if err := errors.Join(err, w.Close(), conn.Quit()); err != nil {
		t.Fatal(err)
	}
	if err := netsmtp.SendMail(addr, nil, "a@app.test", []string{"b@dest.test"}, []byte("x\r\n")); err == nil {
		t.Error("net/smtp takes a certificate that nobody signed")
	}
	mail := r.queue.take()
	if len(mail) != 1 || mail[0].Account != account || !strings.HasSuffix(mail[0].text, "\r\n\r\n.dot\r\nhello\r\n") {
		t.Errorf("%+v", mail)
	}
}

// Many clients at once, each with its own mail.
func TestConcurrentClients(t *testing.T) {
	r := start(t, loopback)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			conn, err := smtp.DialStartTLS(r.server.Addresses()[0].String(), &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if err := conn.Auth(sasl.NewLoginClient(account, secret)); err != nil {
				t.Error(err)
			}
			for range 10 {
				if err := conn.SendMail("a@app.test", []string{"b@dest.test"}, strings.NewReader("A: b\r\n\r\nx\r\n")); err != nil {
					t.Error(err)
				}
			}
			if err := conn.Quit(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if mail := r.queue.take(); len(mail) != 80 {
		t.Errorf("%d messages, want 80", len(mail))
	}
}

func TestConnectionLimit(t *testing.T) {
	r := start(t, loopback, func(o *Options) { o.Connections = 2 })
	first, second := r.dial(), r.dialTLS() // STARTTLS takes no second place
	third := r.connect()
	third.expect("421 4.7.0")
	third.expectEnd()
	first.say("QUIT", "221")
	first.expectEnd()
	second.say("NOOP", "250")
	for {
		c := r.connect()
		if greeting, _ := c.reply(); strings.HasPrefix(greeting, "220") {
			break // the place of the first is free, at once or soon
		}
	}
}

func TestListenErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	good := Options{
		Hostname: hostname, MessageSize: 1, Recipients: 1, Connections: 1, ConnectionsPerAddress: 1, Lifetime: 1,
		Queue: &fakeQueue{}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	for _, tc := range []struct {
		name   string
		change func(*Options)
		says   string
	}{
		{"busy port", func(o *Options) {
			o.Listeners = []Listener{{Address: "127.0.0.1:0"}, {Address: busy.Addr().String()}}
		}, "listener " + busy.Addr().String() + ": "},
		{"no certificate", func(o *Options) { o.Listeners = []Listener{{TLS: TLSImplicit}} }, "certificate"},
		{"login without TLS", func(o *Options) { o.Listeners = []Listener{{Auth: AuthRequired}} }, "never possible"},
		{"login without accounts", func(o *Options) { o.Listeners = []Listener{{Auth: AuthOptional}} }, "accounts"},
		{"TLS at a socket", func(o *Options) {
			o.Listeners, o.TLSConfig = []Listener{{Address: "unix:/x/y", TLS: TLSStartTLS}}, &tls.Config{}
		}, "neither TLS nor AUTH"},
		{"unknown mode", func(o *Options) { o.Listeners = []Listener{{TLS: 7}} }, "unknown mode"},
		{"no hostname", func(o *Options) { o.Hostname = "" }, "hostname"},
		{"no size", func(o *Options) { o.MessageSize = 0 }, "above zero"},
		{"nobody from any address", func(o *Options) { o.ConnectionsPerAddress = 0 }, "per address"},
		{"no queue", func(o *Options) { o.Queue = nil }, "queue"},
		{"nothing", func(o *Options) { *o = Options{} }, "hostname"},
	} {
		o := good
		tc.change(&o)
		s := New(o)
		if err := s.Listen(); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v; want %q", tc.name, err, tc.says)
		}
		for _, a := range s.Addresses() {
			if c, err := net.Dial("tcp", a.String()); err == nil {
				c.Close()
				t.Errorf("%s: %v is left open", tc.name, a)
			}
		}
	}
}

// shaky fails some accepts before it works, as one does without free file descriptors.
type shaky struct {
	*pipeListener
	failures int
}

func (l *shaky) Accept() (net.Conn, error) {
	if l.failures--; l.failures >= 0 {
		return nil, errors.New("too many open files")
	}
	return l.pipeListener.Accept()
}

func TestAcceptFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := newPipeListener()
		r := start(t, Listener{}, func(o *Options) { o.Listeners[0].Net = &shaky{pipe, 10} })
		r.pipe = pipe
		r.dial().say("NOOP", "250")
		if n := strings.Count(r.log.String(), "too many open files"); n != 10 {
			t.Errorf("%d failures in the log", n)
		}
	})
}

// A listener that breaks ends Serve with its error.
func TestBrokenListener(t *testing.T) {
	pipe := newPipeListener()
	s := New(Options{
		Hostname: hostname, MessageSize: 1, Recipients: 1, Connections: 1, ConnectionsPerAddress: 1, Lifetime: 1,
		Queue: &fakeQueue{}, Log: slog.New(slog.DiscardHandler), Now: time.Now, Listeners: []Listener{{Net: pipe}},
	})
	if err := s.Serve(context.Background()); err == nil {
		t.Error("Serve works before Listen")
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	pipe.Close()
	if err := s.Serve(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}
