package delivery

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/need"
	"tlsrelay/tlspolicy"
)

const (
	tls12 = tls.VersionTLS12
	tls13 = tls.VersionTLS13
)

// choker stands before a mail host and looks at each ClientHello as some middleboxes do. What it does with one of more than
// 512 bytes is up to it.
type choker struct {
	manners
	addr     string
	sessions atomic.Int32 // in all
	implicit bool         // TLS starts without STARTTLS
}

type manners struct {
	onBig func(client net.Conn)
	onAny func(client net.Conn) // instead, for all of them; nil: they pass
	later func(client net.Conn) // instead of the host, from the second session on; nil: the host
}

// startChoker listens before the host.
func startChoker(t *testing.T, c *choker, addr string, behind *mx) *choker {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	need.That(t, "to listen on "+addr, err)
	c.addr = l.Addr().String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer client.Close()
				client.SetDeadline(time.Now().Add(20 * time.Second))
				if c.sessions.Add(1) > 1 && c.later != nil {
					c.later(client)
					return
				}
				server, err := net.Dial("tcp", behind.addr)
				if err != nil {
					return
				}
				defer server.Close()
				c.pass(client, server)
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return c
}

func (c *choker) pass(client, server net.Conn) {
	go func() {
		io.Copy(client, server)
		client.(*net.TCPConn).CloseWrite()
	}()
	b := make([]byte, 16<<10)
	inTLS := c.implicit
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if inTLS && b[0] == 22 && b[5] == 1 {
			length := 5 + int(binary.BigEndian.Uint16(b[3:]))
			if _, err := io.ReadFull(client, b[n:length]); err != nil {
				return
			}
			switch {
			case c.onAny != nil:
				c.onAny(client)
				return
			case length > 512:
				c.onBig(client)
				return
			}
			server.Write(b[:length])
			io.Copy(server, client)
			return
		}
		inTLS = inTLS || strings.HasPrefix(string(b[:n]), "STARTTLS")
		server.Write(b[:n])
	}
}

func reset(c net.Conn)   { c.(*net.TCPConn).SetLinger(0) }
func hangUp(c net.Conn)  {}
func swallow(c net.Conn) { io.Copy(io.Discard, c) }
func alert(n byte) func(net.Conn) {
	return func(c net.Conn) { c.Write([]byte{21, 3, 1, 0, 2, 2, n}) }
}
func clearText(c net.Conn) {
	io.WriteString(c, "220 mx.test\r\n")
	io.CopyN(io.Discard, c, 1)
	io.WriteString(c, "250 mx.test\r\n")
	io.Copy(io.Discard, c)
}

func TestSmallHello(t *testing.T) {
	oldHello := append([]byte{22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1}, make([]byte, 32)...)
	oldHello = append(oldHello, 0, 0, 0x2f, 0)
	for name, tc := range map[string]struct {
		manners  manners
		want     string
		seen     string
		sessions int32 // of the first message
		small    int64
	}{
		"resets":             {manners{onBig: reset}, "delivered", "", 2, 1},
		"hangs up":           {manners{onBig: hangUp}, "delivered", "", 2, 1},
		"swallows":           {manners{onBig: swallow}, "delivered", "", 2, 1},
		"alert 40":           {manners{onBig: alert(40)}, "delivered", "", 2, 1},
		"alert 50":           {manners{onBig: alert(50)}, "delivered", "", 2, 1},
		"alert 70":           {manners{onBig: alert(70)}, "deferred tls-version 4.7.5", "alert 70", 1, 0},
		"broken":             {manners{onAny: reset}, "deferred tls-handshake 4.7.5", "nothing", 2, 0},
		"broken, alert 40":   {manners{onAny: alert(40)}, "deferred tls-handshake 4.7.5", "alert 40", 2, 0},
		"then refused":       {manners{onBig: alert(80), later: reset}, "deferred tls-handshake 4.7.5", "alert 80", 2, 0},
		"then in clear text": {manners{onBig: alert(40), later: clearText}, "deferred tls-handshake 4.7.5", "alert 40", 2, 0},
		"then an old one": {manners{onBig: reset, later: func(c net.Conn) {
			io.WriteString(c, "220 mx.test\r\n")
			c.Read(make([]byte, 1000))
			io.WriteString(c, "250-mx.test\r\n250 STARTTLS\r\n")
			c.Read(make([]byte, 1000))
			io.WriteString(c, "220 go\r\n")
			c.Read(make([]byte, 1000))
			c.Write(oldHello)
		}}, "deferred tls-version 4.7.5", "ServerHello TLS 1.0", 2, 0},
	} {
		for _, level := range []tlspolicy.Level{tlspolicy.Required, tlspolicy.Opportunistic, tlspolicy.Verified} {
			t.Run(name+", "+level.String(), func(t *testing.T) {
				ca := newAuthority(t)
				host := (&mx{tls: ca.server(t, "mx1.dest.test", tls12, tls13)}).start(t, "127.0.0.1", "0")
				c := startChoker(t, &choker{manners: tc.manners}, "127.0.0.11:0", host)
				_, port, _ := net.SplitHostPort(c.addr)
				n := newNetwork(t, 1, port)
				n.opts.Policy = &tlspolicy.Policy{Default: tlspolicy.Rule{Level: level}, Roots: ca.pool()}
				n.opts.Timeouts.Handshake = 300 * time.Millisecond
				var log bytes.Buffer
				n.opts.Log = slog.New(slog.NewTextHandler(&log, nil))
				d := New(n.opts)
				send := func() queue.Report {
					l := d.Open()
					defer l.Close()
					return l.Deliver(t.Context(), jobTo(canary+"@dest.test"), nil)
				}
				o := send().Outcomes[0]
				want(t, o, tc.want)
				if c.sessions.Load() != tc.sessions || d.known.SmallHellos() != tc.small || !strings.Contains(o.TLS.Seen, tc.seen) {
					t.Errorf("%d sessions, %d small hellos, seen %q", c.sessions.Load(), d.known.SmallHellos(), o.TLS.Seen)
				}
				if broken := tc.want != "delivered"; o.TLS.Broken != broken || o.Result != queue.ResultDelivered && o.Host != "mx1.dest.test" {
					t.Errorf("outcome %+v", o)
				}
				noMailInClear(t, host)
				if tc.small == 0 {
					return
				}
				want(t, send().Outcomes[0], "delivered") // what worked is known
				if c.sessions.Load() != tc.sessions+1 || d.known.SmallHellos() != 2 {
					t.Errorf("then %d sessions, %d small hellos", c.sessions.Load(), d.known.SmallHellos())
				}
				if lines := strings.Count(log.String(), "small ClientHello"); lines != 1 || !strings.Contains(log.String(), c.addr) {
					t.Errorf("log:\n%s", log.String())
				}
			})
		}
	}
}

func TestSmallHelloWithImplicitTLS(t *testing.T) {
	host := (&mx{tls: newAuthority(t).server(t, "smart.test", tls12, tls13), at465: true}).start(t, "127.0.0.1", "0")
	c := startChoker(t, &choker{manners: manners{onBig: reset}, implicit: true}, "127.0.46.5:465", host)
	n := newNetwork(t, 0, "25")
	n.opts.Routes = []Route{{Domain: "*", Hosts: []string{c.addr}}}
	d := New(n.opts)
	for i := range 2 {
		l := d.Open()
		want(t, l.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0], "delivered")
		l.Close()
		if sessions := c.sessions.Load(); sessions != int32(i+2) || d.known.SmallHellos() != int64(i+1) {
			t.Errorf("message %d: %d sessions, %d small hellos", i, sessions, d.known.SmallHellos())
		}
	}
}

// Each connection to a host resumes the session of the one before, and what was checked then counts.
func TestSessionIsResumed(t *testing.T) {
	for _, level := range []tlspolicy.Level{tlspolicy.Required, tlspolicy.Verified} {
		ca := newAuthority(t)
		cfg := ca.server(t, "mx1.dest.test", tls12, tls13)
		var resumed []bool
		m := &mx{tls: cfg}
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			resumed = append(resumed, s.DidResume)
			return nil
		}
		m.start(t, "127.0.0.11", "0")
		n := newNetwork(t, 1, m.port())
		now := time.Now()
		n.opts.Now = func() time.Time { return now }
		n.opts.Policy = &tlspolicy.Policy{Default: tlspolicy.Rule{Level: level}, Roots: ca.pool()}
		for range 3 {
			want(t, deliver(t, n.opts, jobTo("a@dest.test"))[0], "delivered")
		}
		m.mu.Lock()
		if !slices.Equal(resumed, []bool{false, true, true}) {
			t.Errorf("%v: resumed %v", level, resumed)
		}
		m.mu.Unlock()
		noMailInClear(t, m)
	}
}

// A host that is broken with the small hello, too, is no longer known to need it.
func TestSmallHelloIsForgotten(t *testing.T) {
	host := (&mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls12, tls13)}).start(t, "127.0.0.1", "0")
	c := startChoker(t, &choker{manners: manners{onAny: reset}}, "127.0.0.11:0", host)
	n := newNetwork(t, 0, "25")
	n.opts.Routes = []Route{{Domain: "*", Hosts: []string{c.addr}}}
	d := New(n.opts)
	d.known.LearnSmallHello(netip.MustParseAddrPort(c.addr))
	l := d.Open()
	defer l.Close()
	want(t, l.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0], "deferred tls-handshake 4.7.5")
	if c.sessions.Load() != 1 || d.known.SmallHello(netip.MustParseAddrPort(c.addr)) {
		t.Errorf("%d sessions, known: %v", c.sessions.Load(), d.known.SmallHello(netip.MustParseAddrPort(c.addr)))
	}
}
