package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/tlspolicy"
)

// counted counts the bytes that a probe reads of a connection, and knows whether it is closed.
type counted struct {
	net.Conn
	read   int
	closed atomic.Bool
}

func (m *counted) Close() error {
	m.closed.Store(true)
	return m.Conn.Close()
}

func (m *counted) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	m.read += n
	return n, err
}

// trickle writes bytes one at a time.
func trickle(c net.Conn, every time.Duration, b []byte) {
	for {
		for _, one := range b {
			time.Sleep(every)
			if _, err := c.Write([]byte{one}); err != nil {
				return
			}
		}
	}
}

// pour writes bytes again and again.
func pour(c net.Conn, b []byte) {
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// helloRecord is a ServerHello of TLS 1.2 alone.
func helloRecord() []byte {
	b := firstFlight()
	b = b[:len(b)-len("....")-len("...")] // an empty list of certificates
	b[4] = byte(len(b) - recordHeader)
	return b
}

// hostileServers are servers that read a ClientHello and then do what keeps a client busy.
var hostileServers = map[string]func(net.Conn){
	"a byte a second":      func(c net.Conn) { trickle(c, time.Second, []byte{22, 3, 1, 0, 1, messageHello}) },
	"silence":              func(c net.Conn) { c.Read(make([]byte, 1)) },
	"reads nothing more":   func(net.Conn) { time.Sleep(time.Hour) },
	"warnings without end": func(c net.Conn) { pour(c, []byte{recordAlert, 3, 1, 0, 2, 1, 90}) },
	"empty records":        func(c net.Conn) { pour(c, []byte{22, 3, 3, 0, 0}) },
	"application data":     func(c net.Conn) { pour(c, append([]byte{23, 3, 3, 0x40, 0}, make([]byte, 1<<14)...)) },
	"text without end":     func(c net.Conn) { pour(c, []byte("220-come in\r\n")) },
	"chance":               func(c net.Conn) { pour(c, []byte(rand.Text())) },
	"renegotiation":        func(c net.Conn) { c.Write(firstFlight()); pour(c, []byte{22, 3, 3, 0, 4, 0, 0, 0, 0}) },
	"a certificate on and on": func(c net.Conn) {
		c.Write(helloRecord())
		c.Write([]byte{22, 3, 3, 0, 4, messageCertificate, 3, 0xff, 0xff}) // as long as crypto/tls takes it
		pour(c, append([]byte{22, 3, 3, 0x40, 0}, make([]byte, 1<<14)...))
	},
	"SSL 2.0 on and on": func(c net.Conn) { c.Write([]byte{0xff, 0xff, 4}); pour(c, make([]byte, 1000)) },
	"a compressed session": func(c net.Conn) {
		b := helloRecord()
		b[len(b)-1]++ // the method
		c.Write(b)
		trickle(c, time.Second, []byte{22})
	},
}

// No server makes a probe cost more than its bounds.
func TestProbeIsBounded(t *testing.T) {
	for name, act := range hostileServers {
		synctest.Test(t, func(t *testing.T) {
			var servers sync.WaitGroup
			var opened []*counted
			open := func(context.Context, Target) (net.Conn, error) {
				for _, m := range opened {
					if !m.closed.Load() {
						t.Errorf("%s: two connections at once", name)
					}
				}
				client, server := net.Pipe()
				servers.Go(func() {
					defer server.Close()
					server.Read(make([]byte, 1<<16))
					act(server)
				})
				opened = append(opened, &counted{Conn: client})
				return opened[len(opened)-1], nil
			}
			began := time.Now()
			r := New(Options{Open: open}).Probe(t.Context(), Target{Addr: netip.MustParseAddrPort("192.0.2.1:25"), Name: mx})
			if took := time.Since(began); took > probeTime+time.Second {
				t.Errorf("%s: the probe took %v", name, took)
			}
			if len(opened) > maxConnections {
				t.Errorf("%s: %d connections", name, len(opened))
			}
			for _, m := range opened {
				if m.read > maxAnswer {
					t.Errorf("%s: %d bytes were read of one", name, m.read)
				}
			}
			if r.Reaches(tlspolicy.TLS12) == Yes && name != "renegotiation" && name != "a certificate on and on" && name != "a compressed session" {
				t.Errorf("%s: offers %v", name, r.Offered())
			}
			servers.Wait()
		})
	}
}

// A server that takes its time in SMTP is given up, too.
func TestOpenIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opens := 0
		open := func(ctx context.Context, _ Target) (net.Conn, error) {
			opens++
			if opens%2 == 0 {
				return nil, errors.New("the server hung up")
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(openTime - time.Second):
			}
			client, server := net.Pipe()
			go func() { bytes.NewBuffer(nil).ReadFrom(server) }()
			return client, nil
		}
		began := time.Now()
		New(Options{Open: open}).Probe(t.Context(), Target{Addr: netip.MustParseAddrPort("192.0.2.1:25"), Name: mx})
		if took := time.Since(began); took > probeTime+time.Second || opens > maxConnections {
			t.Errorf("the probe took %v with %d connections", took, opens)
		}
	})
}
