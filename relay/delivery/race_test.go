package delivery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/relay/dns/dnstest"
	"tlsrelay/relay/need"
	"tlsrelay/tlspolicy"
)

// answer is how an address behaves that is connected to.
type answer struct {
	after time.Duration
	err   error // nil: a connection
	still bool  // a connection even after nobody waits for it
}

// counted is a connection of which it is known whether it is open.
type counted struct {
	net.Conn
	open *atomic.Int32
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

func TestRace(t *testing.T) {
	const v4, v4b, v6, v6b = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"
	ms, never := time.Millisecond, time.Hour
	refused := func(after time.Duration) answer { return answer{after: after, err: syscall.ECONNREFUSED} }
	for name, tc := range map[string]struct {
		addrs    string
		behave   map[string]answer
		budget   int    // connects that are left; 0: all
		dead     string // of which it is known
		cancel   time.Duration
		want     string // what became of them, in order
		took     time.Duration
		deadThen string
	}{
		"first answers":               {v4 + " " + v6, map[string]answer{v4: {after: 100 * ms}}, 0, "", 0, v4 + " won", 100 * ms, ""},
		"first is silent":             {v6 + " " + v4, map[string]answer{v6: {after: never}, v4: {after: 50 * ms}}, 0, "", 0, v4 + " won, " + v6 + " beaten", 350 * ms, v6},
		"first is slow and wins":      {v6 + " " + v4, map[string]answer{v6: {after: 320 * ms}, v4: {after: 50 * ms}}, 0, "", 0, v6 + " won, " + v4 + " beaten", 320 * ms, ""},
		"second comes too late":       {v6 + " " + v4, map[string]answer{v6: {after: 320 * ms}, v4: {after: 50 * ms, still: true}}, 0, "", 0, v6 + " won, " + v4 + " beaten", 350 * ms, ""},
		"first is refused":            {v6 + " " + v4, map[string]answer{v6: refused(10 * ms), v4: {after: 50 * ms}}, 0, "", 0, v6 + " failed, " + v4 + " won", 60 * ms, v6},
		"first is refused late":       {v6 + " " + v4, map[string]answer{v6: refused(310 * ms), v4: {after: 50 * ms}}, 0, "", 0, v6 + " failed, " + v4 + " won", 350 * ms, v6},
		"second is refused":           {v6 + " " + v4, map[string]answer{v6: {after: time.Second}, v4: refused(10 * ms)}, 0, "", 0, v4 + " failed, " + v6 + " won", time.Second, v4},
		"both are refused":            {v6 + " " + v4, map[string]answer{v6: refused(10 * ms), v4: refused(10 * ms)}, 0, "", 0, v6 + " failed, " + v4 + " failed", 20 * ms, v6 + " " + v4},
		"the second has no way":       {v4 + " " + v6, map[string]answer{v4: refused(time.Second), v6: {err: syscall.ENETUNREACH}}, 0, "", 0, v4 + " failed, " + v6 + " failed", time.Second, v6 + " " + v4},
		"both are silent":             {v6 + " " + v4, map[string]answer{v6: {after: never}, v4: {after: never}}, 0, "", 0, "2 failed", connectTimeout, v6 + " " + v4},
		"at most two":                 {v6 + " " + v4 + " " + v6b + " " + v4b, map[string]answer{v6: refused(0), v4: refused(0)}, 0, "", 0, v6 + " failed, " + v4 + " failed", 0, v6 + " " + v4},
		"the other family only":       {v4 + " " + v4b + " " + v6, map[string]answer{v4: refused(0), v6: {after: ms}}, 0, "", 0, v4 + " failed, " + v6 + " won", ms, v4},
		"no other family":             {v4 + " " + v4b, map[string]answer{v4: {after: time.Second}}, 0, "", 0, v4 + " won", time.Second, ""},
		"no other family, refused":    {v4 + " " + v4b, map[string]answer{v4: refused(ms)}, 0, "", 0, v4 + " failed", ms, v4},
		"alone and silent":            {v4, map[string]answer{v4: {after: never}}, 0, "", 0, v4 + " failed", connectTimeout, v4},
		"other is known to be dead":   {v6 + " " + v4, map[string]answer{v6: {after: time.Second}}, 0, v4, 0, v6 + " won", time.Second, v4},
		"another other one":           {v6 + " " + v4 + " " + v4b, map[string]answer{v6: {after: time.Second}, v4b: {after: ms}}, 0, v4, 0, v4b + " won, " + v6 + " beaten", 301 * ms, v4 + " " + v6},
		"no connect left":             {v6 + " " + v4, map[string]answer{v6: refused(ms)}, 1, "", 0, v6 + " failed", ms, v6},
		"cancelled":                   {v6 + " " + v4, map[string]answer{v6: {after: never}, v4: {after: never}}, 0, "", 400 * ms, "2 failed", 400 * ms, ""},
		"cancelled before the second": {v6 + " " + v4, map[string]answer{v6: {after: never}}, 0, "", 100 * ms, v6 + " failed", 100 * ms, ""},
		"own trouble":                 {v4, map[string]answer{v4: {after: ms, err: syscall.EADDRNOTAVAIL}}, 0, "", 0, v4 + " failed", ms, ""},
		"not public":                  {v4, map[string]answer{v4: {after: ms, err: fmt.Errorf("dial: %w", errNotPublic)}}, 0, "", 0, v4 + " failed", ms, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := New(Options{Policy: &tlspolicy.Policy{}, Now: time.Now}).newAttempt(jobTo("a@dest.test"), nil)
				if tc.budget > 0 {
					a.connects = maxConnects - tc.budget
				}
				h := host{name: "mx.dest.test", port: 25}
				var addrs []netip.Addr
				for s := range strings.FieldsSeq(tc.addrs) {
					addrs = append(addrs, netip.MustParseAddr(s))
				}
				if tc.dead != "" {
					a.d.known.Failed(h.addrPort(netip.MustParseAddr(tc.dead)))
				}
				var open atomic.Int32
				r := a.race(h, addrs)
				r.dial = func(ctx context.Context, addr netip.Addr) (net.Conn, error) {
					begin := time.Now()
					b, ok := tc.behave[addr.String()]
					if !ok {
						t.Errorf("connected to %s", addr)
					}
					select {
					case <-ctx.Done():
						if !b.still {
							return nil, ctx.Err()
						}
						time.Sleep(b.after - time.Since(begin))
					case <-time.After(b.after):
					}
					if b.err != nil {
						return nil, b.err
					}
					here, there := net.Pipe()
					there.Close()
					open.Add(1)
					return &counted{Conn: here, open: &open}, nil
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tc.cancel > 0 {
					time.AfterFunc(tc.cancel, cancel)
				}
				before, begin := a.connects, time.Now()
				results := r.run(ctx)
				took := time.Since(begin)
				checkRace(t, results, tc.want, &open)
				if took != tc.took {
					t.Errorf("took %v, want %v", took, tc.took)
				}
				if a.connects-before != len(results) {
					t.Errorf("%d connects counted", a.connects-before)
				}
				for _, addr := range addrs {
					if alive, want := a.d.known.Alive(h.addrPort(addr)), !strings.Contains(" "+tc.deadThen+" ", " "+addr.String()+" "); alive != want {
						t.Errorf("%s alive: %v, want %v", addr, alive, want)
					}
				}
			})
		})
	}
}

// checkRace compares the results of a race, and closes the connection.
func checkRace(t *testing.T, results []dialed, want string, open *atomic.Int32) {
	t.Helper()
	var got []string
	failed, connections := 0, 0
	for _, one := range results {
		switch {
		case one.beaten:
			got = append(got, one.addr.String()+" beaten")
		case one.conn != nil:
			got = append(got, one.addr.String()+" won")
			connections++
		default:
			got = append(got, one.addr.String()+" failed")
			failed++
		}
	}
	if text := strings.Join(got, ", "); text != want && (len(results) != failed || want != fmt.Sprintf("%d failed", failed)) {
		t.Errorf("%s; want %s", text, want)
	}
	if n := open.Load(); int(n) != connections || n > 1 {
		t.Errorf("%d connections are open, %d came back", n, connections)
	}
	for _, one := range results {
		if one.conn != nil {
			one.conn.Close()
		}
	}
}

// blackHole answers no connection on an address that is free: its backlog is full.
func blackHole(t *testing.T, addr string) {
	t.Helper()
	ap := netip.MustParseAddrPort(addr)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	silent := 0
	for range 8 {
		c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err == nil {
			silent = 0
			t.Cleanup(func() { c.Close() })
		} else if silent++; silent == 2 { // one may be a busy machine
			return
		}
	}
	t.Fatalf("%s takes connections all the same", addr)
}

// A host whose IPv4 is a black hole gets its mail over IPv6, the first message soon, and the next one at once.
func TestSilentFamily(t *testing.T) {
	good := &mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls12, tls13)}
	l, err := net.Listen("tcp", "[::1]:0")
	need.That(t, "IPv6 on loopback", err)
	l.Close()
	port := good.start(t, "::1", "0").port()
	blackHole(t, "127.0.0.11:"+port)
	n := newNetwork(t, 1, port)
	n.set(t, "mx1.dest.test.", dnstest.Records{A: []string{"127.0.0.11"}, AAAA: []string{"::1"}})
	d := New(n.opts)
	for i, most := range []time.Duration{3 * time.Second, fallbackDelay - 50*time.Millisecond} {
		begin := time.Now()
		l := d.Open()
		o := l.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0]
		l.Close()
		want(t, o, "delivered")
		if took := time.Since(begin); took > most || i == 0 && took < fallbackDelay {
			t.Errorf("message %d took %v", i, took)
		}
		if o.Remote != good.addr {
			t.Errorf("delivered to %s", o.Remote)
		}
	}
}

// MX1 is dead, MX2 is not: only the first connection waits for MX1.
func TestDeadHostIsPassedOver(t *testing.T) {
	good := (&mx{tls: newAuthority(t).server(t, "mx2.dest.test", tls12, tls13)}).start(t, "127.0.0.12", "0")
	n := newNetwork(t, 2, good.port())
	var offset atomic.Int64
	n.opts.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	d := New(n.opts)
	first := netip.MustParseAddrPort("127.0.0.11:" + good.port())
	send := func(to string) {
		t.Helper()
		l := d.Open()
		defer l.Close()
		want(t, l.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0], "delivered")
		if len(good.received()) == 0 && to == "2" {
			t.Error("not delivered to the second host")
		}
	}
	send("2")
	if d.known.Alive(first) {
		t.Error("the first host is not taken for dead")
	}
	back := (&mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls12, tls13)}).start(t, "127.0.0.11", good.port())
	send("2")
	if len(back.received()) != 0 || len(good.received()) != 2 {
		t.Errorf("%d messages to the first, %d to the second host", len(back.received()), len(good.received()))
	}
	offset.Store(int64(time.Minute)) // its pause is over
	send("1")
	send("1")
	if len(back.received()) != 2 {
		t.Errorf("%d messages to the first host that is back", len(back.received()))
	}
}

// When all hosts are known to be dead the first is tried all the same, and no other; so it is when the living one has died.
func TestAllHostsAreDead(t *testing.T) {
	back := (&mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls12, tls13)}).start(t, "127.0.0.11", "0")
	for name, dead := range map[string][]string{"all": {"127.0.0.11", "127.0.0.12"}, "all but one": {"127.0.0.11"}} {
		n := newNetwork(t, 2, back.port()) // nobody listens on 127.0.0.12
		d := New(n.opts)
		for _, addr := range dead {
			d.known.Failed(netip.MustParseAddrPort(addr + ":" + back.port()))
		}
		l := d.Open()
		o := l.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0]
		l.Close()
		want(t, o, "delivered")
		if o.Host != "mx1.dest.test" || !d.known.Alive(netip.MustParseAddrPort(back.addr)) {
			t.Errorf("%s: delivered to %s", name, o.Host)
		}
	}
}

// A host that answers ends the attempt, good or bad: no mail waits for the dead then.
func TestDeadHostIsNotTriedAfterAnswer(t *testing.T) {
	busy := (&mx{tls: newAuthority(t).server(t, "mx2.dest.test", tls12, tls13), replies: map[string]string{"MAIL": "451 4.3.0 busy"}}).start(t, "127.0.0.12", "0")
	first := (&mx{}).start(t, "127.0.0.11", busy.port())
	n := newNetwork(t, 2, busy.port())
	d := New(n.opts)
	d.known.Failed(netip.MustParseAddrPort(first.addr))
	l := d.Open()
	defer l.Close()
	want(t, l.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0], "deferred remote-temporary 4.3.0")
	if first.dialogue() != "" {
		t.Error("the dead one was tried")
	}
}
