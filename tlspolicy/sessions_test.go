package tlspolicy

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
	"testing"
	"time"
)

// greeter is a TLS server that says one byte in each session; its configuration may change meanwhile.
type greeter struct {
	addr string
	mu   sync.Mutex
	cfg  *tls.Config
}

func startGreeter(t *testing.T, cfg *tls.Config) *greeter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &greeter{addr: l.Addr().String(), cfg: cfg}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				g.mu.Lock()
				cfg := g.cfg
				g.mu.Unlock()
				tls.Server(c, cfg).Write([]byte{'!'})
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return g
}

func (g *greeter) become(cfg *tls.Config) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cfg = cfg
}

// meet makes one session under a decision at a time, and takes its ticket.
func (g *greeter) meet(t *testing.T, d Decision, now time.Time) (tls.ConnectionState, error) {
	t.Helper()
	nc, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	cfg := d.ClientConfig("mx.example.test")
	cfg.Time = func() time.Time { return now }
	c := tls.Client(nc, cfg)
	if err := c.Handshake(); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState(), nil
}

func poolOf(certs ...tls.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c.Leaf)
	}
	return p
}

// aTime is the middle of an hour, so that a test does not meet its end.
func aTime() time.Time { return time.Now().Truncate(time.Hour).Add(30 * time.Minute) }

func TestSessionIsResumed(t *testing.T) {
	cert := identity(t, "mx.example.test", time.Now().Add(24*time.Hour), true)
	for _, version := range []Version{TLS12, TLS13} {
		for _, level := range []Level{Required, Opportunistic, Verified} {
			g := startGreeter(t, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: uint16(version)})
			p := &Policy{Default: Rule{Level: level}, Roots: poolOf(cert)}
			now := aTime()
			for i, at := range []time.Time{now, now.Add(time.Minute), now.Add(time.Minute), now.Add(time.Hour), now.Add(time.Hour)} {
				d := p.Decide("example.test", at)
				state, err := g.meet(t, d, at)
				if err != nil {
					t.Fatal(err)
				}
				if want := i != 0 && i != 3; state.DidResume != want { // 3 is in another hour
					t.Errorf("TLS %v, %v, session %d: resumed %v, want %v", version, level, i, state.DidResume, want)
				}
				if v := d.Judge(true, &state); !v.Pass || level == Verified && len(state.VerifiedChains) == 0 {
					t.Errorf("TLS %v, %v, session %d: %+v with %d chains", version, level, i, v, len(state.VerifiedChains))
				}
			}
		}
	}
}

// A session serves no decision but the one that it was made under, and no other policy.
func TestSessionIsResumedForItsDecisionOnly(t *testing.T) {
	cert := identity(t, "mx.example.test", time.Now().Add(24*time.Hour), false)
	now := aTime()
	p := &Policy{Default: Rule{Level: Opportunistic}, Roots: poolOf(cert), Domains: []Rule{{Domain: "new.test", Level: Opportunistic, Floor: TLS13}}}
	first := p.Decide("a.test", now)
	for name, tc := range map[string]struct {
		d    Decision
		want bool
	}{
		"the same":            {p.Decide("b.test", now), true},
		"after broken TLS":    {first.WithoutClearText(), false},
		"verified":            {first.Authenticated(), false},
		"higher floor":        {p.Decide("new.test", now), false},
		"policy of a reload":  {(&Policy{Default: p.Default, Roots: p.Roots}).Decide("a.test", now), false},
		"without any policy":  {Decision{Level: Opportunistic}, false},
		"in the hour before":  {p.Decide("a.test", now.Add(-time.Hour)), false},
		"later in that hour":  {p.Decide("a.test", now.Add(29*time.Minute)), true},
		"asked for again, so": {first, true},
	} {
		g := startGreeter(t, &tls.Config{Certificates: []tls.Certificate{cert}})
		if _, err := g.meet(t, first, now); err != nil {
			t.Fatal(err)
		}
		state, err := g.meet(t, tc.d, now)
		if err != nil {
			t.Fatal(err)
		}
		if state.DidResume != tc.want {
			t.Errorf("%s: resumed %v", name, state.DidResume)
		}
		if !tc.d.Judge(true, &state).Pass {
			t.Errorf("%s: does not pass", name)
		}
	}
}

// What a full handshake would find wrong with a verified host, resumption does not hide.
func TestResumptionHidesNothing(t *testing.T) {
	now := aTime()
	good := identity(t, "mx.example.test", now.Add(20*time.Minute), false)
	stranger := identity(t, "mx.example.test", now.Add(24*time.Hour), false)
	renamed := identity(t, "other.example.test", now.Add(24*time.Hour), false)
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	for name, tc := range map[string]struct {
		become *tls.Config // nil: it stays as it was
		at     time.Time
		cause  Cause
	}{
		"expired meanwhile":         {nil, now.Add(25 * time.Minute), CertificateExpired},
		"another one, untrusted":    {with(stranger), now, CertificateUntrusted},
		"another one, of that name": {with(renamed), now, CertificateName},
	} {
		g := startGreeter(t, with(good))
		p := &Policy{Default: Rule{Level: Verified}, Roots: poolOf(good, renamed)}
		for range 2 {
			if _, err := g.meet(t, p.Decide("example.test", now), now); err != nil {
				t.Fatal(err)
			}
		}
		if tc.become != nil {
			g.become(tc.become)
		}
		d := p.Decide("example.test", tc.at)
		state, err := g.meet(t, d, tc.at)
		if cause, _ := d.Explain(err, nil); err == nil || cause != tc.cause {
			t.Errorf("%s: %v became %q, want %q; resumed %v", name, err, cause.Key, tc.cause.Key, state.DidResume)
		}
	}
}

// Two hosts may have one name, by their addresses or ports: a session with one of them is worth nothing at the other, and each
// shows its own certificate there.
func TestSessionAtAnotherHostOfThatName(t *testing.T) {
	now := aTime()
	good := identity(t, "mx.example.test", now.Add(24*time.Hour), false)
	bad := identity(t, "mx.example.test", now.Add(24*time.Hour), false)
	one := startGreeter(t, &tls.Config{Certificates: []tls.Certificate{good}})
	two := startGreeter(t, &tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12})
	false2 := startGreeter(t, &tls.Config{Certificates: []tls.Certificate{bad}})
	d := (&Policy{Default: Rule{Level: Verified}, Roots: poolOf(good)}).Decide("example.test", now)
	for i, g := range []*greeter{one, two, one, false2, two} {
		state, err := g.meet(t, d, now)
		if g == false2 {
			if cause, _ := d.Explain(err, nil); cause != CertificateUntrusted {
				t.Errorf("the false host passes: %v", err)
			}
			continue
		}
		if err != nil || state.DidResume || !d.Judge(true, &state).Pass {
			t.Errorf("session %d: %v, resumed %v", i, err, state.DidResume)
		}
	}
}

func TestSessionsAreBounded(t *testing.T) {
	var s sessions
	now := aTime()
	c := s.during("required/1.2", now)
	for i := range 3 * maxSessions {
		c.Put(string(rune('a'+i)), &tls.ClientSessionState{})
	}
	kept := 0
	for i := range 3 * maxSessions {
		if _, ok := c.Get(string(rune('a' + i))); ok {
			kept++
		}
	}
	if kept != maxSessions {
		t.Errorf("%d sessions are kept", kept)
	}
}
