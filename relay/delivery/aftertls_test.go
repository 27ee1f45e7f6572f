package delivery

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"tlsrelay/tlspolicy"
)

// startSTARTTLS runs a host that agrees to STARTTLS with this reply, and does what next says from then on. It gives the port.
func startSTARTTLS(t *testing.T, ip, reply string, next func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(c, "220 mx.test\r\n")
			in := bufio.NewReader(c)
			for line := ""; err == nil && !strings.HasPrefix(line, "STARTTLS"); line, err = in.ReadString('\n') {
				if line != "" {
					io.WriteString(c, "250-mx.test\r\n250 STARTTLS\r\n")
				}
			}
			io.WriteString(c, reply)
			next(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestTLSThatBreaksLater has a first host whose TLS breaks once the handshake is done for this side. The second one must not get
// clear text then.
func TestTLSThatBreaksLater(t *testing.T) {
	ca := newAuthority(t)
	config := ca.server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	over := func(then func(c net.Conn, tc *tls.Conn)) func(net.Conn) {
		return func(c net.Conn) {
			tc := tls.Server(c, config)
			if tc.Handshake() == nil {
				then(c, tc)
			}
		}
	}
	const ready = "220 ready\r\n"
	for _, tt := range []struct {
		name, reply string
		next        func(net.Conn)
		alone, both string
	}{
		{"clear text within TLS", ready, over(func(c net.Conn, tc *tls.Conn) {
			tc.Read(make([]byte, 512))
			io.WriteString(c, "250 mx.test\r\n")
		}), "deferred tls-handshake 4.7.5", "deferred tls-handshake 4.7.5"},
		{"the end before EHLO", ready, over(func(net.Conn, *tls.Conn) {}), "deferred connection-lost 4.4.2", "deferred starttls-not-offered 4.7.4"},
		{"an alert before the ClientHello", ready + "\x15\x03\x01\x00\x02\x02\x46", func(net.Conn) {},
			"deferred tls-handshake 4.7.5", "deferred tls-handshake 4.7.5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port := startSTARTTLS(t, "127.0.0.11", tt.reply, tt.next)
			second := (&mx{}).start(t, "127.0.0.12", port)
			for hosts, text := range map[int]string{1: tt.alone, 2: tt.both} {
				n := newNetwork(t, hosts, port)
				n.opts.Policy = &tlspolicy.Policy{Default: tlspolicy.Rule{Level: tlspolicy.Opportunistic}}
				o := deliver(t, n.opts, jobTo(canary+"@dest.test"))[0]
				want(t, o, text)
				if !o.TLS.Broken {
					t.Errorf("with %d hosts, nobody remembers that TLS was broken", hosts)
				}
			}
			noMailInClear(t, second)
		})
	}
}
