package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/tlspolicy"
)

// gauge counts the connections that are open to an IP address.
type gauge struct {
	mu        sync.Mutex
	now, most map[netip.Addr]int
	all, peak int
}

// connection is one that the gauge counts until it is closed.
type connection struct {
	net.Conn
	once  sync.Once
	ended func()
}

func (c *connection) Close() error { c.once.Do(c.ended); return c.Conn.Close() }

// open is a way to hosts in memory that do what serve says.
func (g *gauge) open(serve func(net.Conn)) func(context.Context, Target) (net.Conn, error) {
	return func(_ context.Context, t Target) (net.Conn, error) {
		addr := t.Addr.Addr().Unmap()
		g.count(addr, 1)
		ours, theirs := net.Pipe()
		go func() { defer theirs.Close(); serve(theirs) }()
		return &connection{Conn: ours, ended: func() { g.count(addr, -1) }}, nil
	}
}

func (g *gauge) count(addr netip.Addr, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now == nil {
		g.now, g.most = map[netip.Addr]int{}, map[netip.Addr]int{}
	}
	g.now[addr] += n
	g.all += n
	g.most[addr], g.peak = max(g.most[addr], g.now[addr]), max(g.peak, g.all)
}

func target(addr string) Target { return Target{Addr: netip.MustParseAddrPort(addr), Name: mx} }

// slow reads a ClientHello, takes its time, and refuses.
func slow(c net.Conn) {
	c.Read(make([]byte, 4096))
	time.Sleep(time.Second)
	c.Write(alert(70))
}

// However many ask, for whatever port and name, an address has one connection at a time, and all addresses together few.
func TestOneConnectionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gauge
		p := New(Options{Open: g.open(slow), Probes: 3})
		var asking sync.WaitGroup
		for _, addr := range []string{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "192.0.2.4"} {
			for _, port := range []uint16{25, 465, 587} {
				for _, name := range []string{"a.test", "b.test"} {
					one := Target{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), port), Name: name}
					asking.Go(func() { p.Probe(t.Context(), one) })
					asking.Go(func() { p.Probe(t.Context(), one) })
					asking.Go(func() { p.Try(t.Context(), one, tlspolicy.Decision{}) })
				}
			}
		}
		asking.Wait()
		for addr, most := range g.most {
			if most != 1 {
				t.Errorf("%d connections at once to %v", most, addr)
			}
		}
		if g.peak != 3 || len(g.most) != 5 {
			t.Errorf("%d connections at once to %d addresses", g.peak, len(g.most))
		}
	})
}

// Who asks while a probe is under way shares it, and it outlives the first of them; the last one who leaves ends it.
func TestProbeIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int32
		g := gauge{}
		p := New(Options{Open: g.open(func(c net.Conn) { begun.Add(1); slow(c) })})
		first, leave := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		asking.Go(func() {
			if r := p.Probe(first, target("192.0.2.1:25")); r.Trouble != stopped {
				t.Errorf("left with %+v", r)
			}
		})
		asking.Go(func() {
			if r := p.Probe(t.Context(), target("192.0.2.1:25")); r.Trouble != "" || r.Reaches(tlspolicy.TLS12) != No {
				t.Errorf("%+v", r)
			}
		})
		time.Sleep(1500 * time.Millisecond)
		leave()
		asking.Wait()
		if n := begun.Load(); n != 5 {
			t.Errorf("%d connections, for 5 versions", n)
		}
		if _, known := p.Known(target("192.0.2.1:25")); !known {
			t.Error("the result was not kept")
		}

		alone, leave := context.WithTimeout(t.Context(), time.Second/2)
		defer leave()
		p.Probe(alone, target("192.0.2.2:25"))
		if g.all != 0 {
			t.Errorf("%d connections are open", g.all)
		}
		if _, known := p.Known(target("192.0.2.2:25")); known {
			t.Error("half a result was kept")
		}
		if n := p.Begun(); n != 2 {
			t.Errorf("%d probes are counted, of two hosts", n)
		}
		time.Sleep(time.Minute) // for the host
	})
}

// A probe that is stopped has what it found until then, and claims nothing of the rest.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var connections atomic.Int32
		p := New(Options{Open: new(gauge).open(func(c net.Conn) {
			switch connections.Add(1) {
			case 1:
				slow(c)
			case 2:
				c.Read(make([]byte, 4096))
				time.Sleep(time.Hour)
			}
		})})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		r := p.Probe(ctx, target("192.0.2.1:25"))
		if got := summary(r); got != "3.0? 1.0? 1.1? 1.2? 1.3- PQ- big?" || r.Trouble != stopped || r.STARTTLS != Yes || r.Time.IsZero() {
			t.Errorf("%s: %+v", got, r)
		}
		for i, v := range r.Versions {
			if (v.Seen == notAnswered) != (i < 4) {
				t.Errorf("%s: seen %q", v.Version.Name(), v.Seen)
			}
		}
		if n := connections.Load(); n != 2 {
			t.Errorf("%d connections", n)
		}
		if _, known := p.Known(target("192.0.2.1:25")); known {
			t.Error("half a result was kept")
		}
		time.Sleep(2 * time.Hour) // for the host
	})
}

// What is certain is kept for hours, trouble for minutes, and nothing once a host has passed.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name string
			open func(context.Context, Target) (net.Conn, error)
			kept time.Duration
		}{
			{"refused", func(context.Context, Target) (net.Conn, error) { return nil, errors.New("connection refused") }, keepTrouble},
			{"no STARTTLS", func(context.Context, Target) (net.Conn, error) { return nil, ErrNotOffered }, keepDefault},
			{"hangs up", new(gauge).open(func(c net.Conn) { c.Read(make([]byte, 4096)) }), keepUnclear},
			{"TLS 1.0", new(gauge).open(stack(t, atMost(tls.VersionTLS10, rc4))), keepDefault},
		} {
			p := New(Options{Open: test.open})
			r := p.Probe(t.Context(), target("192.0.2.1:25"))
			time.Sleep(test.kept - time.Second)
			if again := p.Probe(t.Context(), target("192.0.2.1:25")); again != r {
				t.Errorf("%s: probed again", test.name)
			}
			time.Sleep(time.Second)
			if _, known := p.Known(target("192.0.2.1:25")); known {
				t.Errorf("%s: known for more than %v", test.name, test.kept)
			}
		}
	})
}

func TestTry(t *testing.T) {
	id := identity(t, nil, rsaKey())
	old := tls.Config{Certificates: []tls.Certificate{id}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	good := tls.Config{Certificates: []tls.Certificate{id}}
	var config atomic.Pointer[tls.Config]
	config.Store(&old)
	s := serve(t, func(c net.Conn) { goServer(config.Load())(c) })
	p := New(Options{Open: dial})
	if p.Probe(t.Context(), s.target); p.Try(t.Context(), s.target, tlspolicy.Decision{}) == nil {
		t.Error("TLS 1.1 passes")
	}
	if _, known := p.Known(s.target); !known {
		t.Error("what was known is forgotten, though the host has not passed")
	}
	config.Store(&good)
	if err := p.Try(t.Context(), s.target, tlspolicy.Decision{Level: tlspolicy.Verified}); err == nil {
		t.Error("a self-signed certificate passes for verified")
	}
	before := s.connections.Load()
	if err := p.Try(t.Context(), s.target, tlspolicy.Decision{}); err != nil || s.connections.Load() != before+1 {
		t.Errorf("%v, %d connections", err, s.connections.Load()-before)
	}
	if _, known := p.Known(s.target); known {
		t.Error("what was known of the time before is still known")
	}
}

// A host that chokes on the usual ClientHello gets mail with a small one, so it passes with one.
func TestTryWithASmallHello(t *testing.T) {
	config := &tls.Config{Certificates: []tls.Certificate{identity(t, nil, rsaKey())}}
	s := serve(t, func(c net.Conn) {
		first := make([]byte, 1<<15)
		n, err := c.Read(first)
		if err != nil || n > packet {
			return
		}
		goServer(config)(&replay{c, io.MultiReader(bytes.NewReader(first[:n]), c)})
	})
	p := New(Options{Open: dial})
	if err := p.Try(t.Context(), s.target, tlspolicy.Decision{}); err != nil || s.connections.Load() != 2 {
		t.Errorf("%v, %d connections", err, s.connections.Load())
	}
	if r := p.Probe(t.Context(), s.target); r.BigHello != No {
		t.Fatalf("%s", summary(r))
	}
	before := s.connections.Load()
	if err := p.Try(t.Context(), s.target, tlspolicy.Decision{}); err != nil || s.connections.Load() != before+1 {
		t.Errorf("after a probe: %v, %d connections", err, s.connections.Load()-before)
	}
}

// replay is a connection of which something was read already.
type replay struct {
	net.Conn
	from io.Reader
}

func (r *replay) Read(b []byte) (int, error) { return r.from.Read(b) }

// What somebody doubts is forgotten, but not sooner than half an hour after the probe.
func TestDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Open: new(gauge).open(stack(t, atMost(tls.VersionTLS10, rc4)))})
		one := target("192.0.2.1:25")
		if p.Doubt(one) {
			t.Error("forgot what was not known")
		}
		p.Probe(t.Context(), one)
		time.Sleep(keepUnclear - time.Second)
		if _, known := p.Known(one); p.Doubt(one) || !known {
			t.Error("forgotten at once")
		}
		time.Sleep(time.Second)
		if !p.Doubt(one) {
			t.Error("not forgotten")
		}
		if _, known := p.Known(one); known {
			t.Error("still known")
		}
	})
}
