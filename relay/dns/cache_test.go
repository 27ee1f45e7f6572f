package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/relay/dns/dnstest"
)

var _ Resolver = (*Cache)(nil)

// script is a Resolver that answers as told, after some time.
type script struct {
	takes time.Duration
	mx    func(domain string) (MXAnswer, error) // nil: one host for an hour
	addrs []netip.Addr

	mu          sync.Mutex
	asked       []string
	now, atOnce int // calls that wait, and the most there ever were
}

func (s *script) LookupMX(ctx context.Context, domain string) (MXAnswer, error) {
	if err := s.wait(ctx, "MX "+domain); err != nil {
		return MXAnswer{}, &TroubleError{Question: "MX " + domain, Err: err}
	}
	if s.mx != nil {
		return s.mx(domain)
	}
	return MXAnswer{Hosts: []MX{{"mx." + domain, 10}}, TTL: time.Hour}, nil
}

func (s *script) LookupAddrs(ctx context.Context, host string) (AddrAnswer, error) {
	if err := s.wait(ctx, "A "+host); err != nil {
		return AddrAnswer{}, &TroubleError{Question: "A " + host, Err: err}
	}
	return AddrAnswer{Addrs: s.addrs, TTL: time.Minute}, nil
}

func (s *script) wait(ctx context.Context, question string) error {
	s.mu.Lock()
	s.asked = append(s.asked, question)
	s.now++
	s.atOnce = max(s.atOnce, s.now)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.now--; s.mu.Unlock() }()
	if s.takes == 0 {
		return nil
	}
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// questions is how often the resolver was asked so far.
func (s *script) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func cache(t *testing.T, r Resolver, o CacheOptions) *Cache {
	c := NewCache(r, o)
	t.Cleanup(c.Close)
	return c
}

// TestKept looks at how long each kind of answer is in memory: a moment before that time it is, at that time it is not.
func TestKept(t *testing.T) {
	hosts := []MX{{"mx.example", 10}}
	tests := []struct {
		name   string
		answer MXAnswer
		err    error
		want   time.Duration
	}{
		{"TTL", MXAnswer{Hosts: hosts, TTL: 10 * time.Minute}, nil, 10 * time.Minute},
		{"TTL 0", MXAnswer{Hosts: hosts}, nil, 5 * time.Second},
		{"a week", MXAnswer{Hosts: hosts, TTL: 7 * 24 * time.Hour}, nil, time.Hour},
		{"no records", MXAnswer{TTL: time.Minute}, nil, time.Minute},
		{"no records for long", MXAnswer{TTL: time.Hour}, nil, 2 * time.Minute},
		{"null MX", MXAnswer{Null: true, TTL: time.Hour}, nil, 2 * time.Minute},
		{"no such domain", MXAnswer{TTL: 3 * time.Hour}, fmt.Errorf("x: %w", ErrNoSuchDomain), 2 * time.Minute},
		{"no such domain, no SOA", MXAnswer{}, fmt.Errorf("x: %w", ErrNoSuchDomain), 5 * time.Second},
		{"trouble", MXAnswer{}, &TroubleError{Question: "MX x"}, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &script{mx: func(string) (MXAnswer, error) { return tt.answer, tt.err }}
				c := cache(t, r, CacheOptions{})
				check := func(answer MXAnswer, err error, left time.Duration) {
					t.Helper()
					want := tt.answer
					if want.TTL = left; errors.Is(tt.err, ErrTrouble) {
						want.TTL = 0
					}
					if diff := cmp.Diff(want, answer); diff != "" || err != tt.err {
						t.Errorf("error %v\n%s", err, diff)
					}
				}
				if _, _, known := c.KnownMX("example.org"); known {
					t.Error("known before it was asked")
				}
				answer, err := c.LookupMX(t.Context(), "example.org")
				check(answer, err, tt.want)
				time.Sleep(tt.want - 1)
				answer, err, known := c.KnownMX("Example.ORG.")
				if !known {
					t.Fatalf("forgotten before %v", tt.want)
				}
				check(answer, err, 1)
				time.Sleep(1)
				if _, _, known := c.KnownMX("example.org"); known || r.questions() != 1 {
					t.Errorf("known after %v, asked %d times", tt.want, r.questions())
				}
				c.LookupMX(t.Context(), "example.org")
				if r.questions() != 2 {
					t.Errorf("asked %d times", r.questions())
				}
			})
		})
	}
}

func TestTroubleIsKeptLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		r := &script{mx: func(string) (MXAnswer, error) { return MXAnswer{Hosts: []MX{{"mx.example", 1}}}, err }}
		c := cache(t, r, CacheOptions{})
		kept := func() time.Duration {
			c.LookupMX(t.Context(), "example.org")
			start := time.Now()
			for _, _, known := c.KnownMX("example.org"); known; _, _, known = c.KnownMX("example.org") {
				time.Sleep(time.Second)
			}
			return time.Since(start) / time.Second
		}
		err = &TroubleError{Question: "MX example.org"}
		got := []time.Duration{kept(), kept(), kept(), kept(), kept()}
		err = nil
		got = append(got, kept())
		err = &TroubleError{Question: "MX example.org"}
		got = append(got, kept())
		if diff := cmp.Diff([]time.Duration{5, 10, 20, 30, 30, 5, 5}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestNoStaleAnswer: an answer whose time is over is no answer, even if there is no better one.
func TestNoStaleAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer, err := MXAnswer{Hosts: []MX{{"mx.example", 1}}}, error(nil)
		r := &script{mx: func(string) (MXAnswer, error) { return answer, err }}
		c := cache(t, r, CacheOptions{})
		if _, err := c.LookupMX(t.Context(), "example.org"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(leastKept)
		answer, err = MXAnswer{}, &TroubleError{Question: "MX example.org"}
		if a, err := c.LookupMX(t.Context(), "example.org"); !errors.Is(err, ErrTrouble) || len(a.Hosts) != 0 {
			t.Errorf("%v, %v", a, err)
		}
	})
}

func TestCacheAddrs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &script{addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}}
		c := cache(t, r, CacheOptions{})
		for range 3 {
			a, err := c.LookupAddrs(t.Context(), "MX.Example.")
			if err != nil || len(a.Addrs) != 2 || a.TTL != time.Minute {
				t.Fatalf("%v, %v", a, err)
			}
		}
		if _, err := c.LookupMX(t.Context(), "mx.example"); err != nil { // the same name, another question
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"A mx.example", "MX mx.example"}, r.asked); diff != "" {
			t.Error(diff)
		}
		if got, want := c.Stats(), (Stats{Hits: 2, Misses: 2, Entries: 2, Bytes: c.memory.size}); got != want || got.Bytes == 0 {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestCacheAsksForNoBadName(t *testing.T) {
	r := &script{}
	c := cache(t, r, CacheOptions{})
	for _, name := range []string{"", "192.0.2.1", "a..b", "evil\x1b[31m.example"} {
		_, err1 := c.LookupMX(t.Context(), name)
		_, err2 := c.LookupAddrs(t.Context(), name)
		_, err3, known := c.KnownMX(name)
		if !errors.Is(err1, ErrTrouble) || !errors.Is(err2, ErrTrouble) || !errors.Is(err3, ErrTrouble) || !known {
			t.Errorf("%q: %v, %v, %v, %v", name, err1, err2, err3, known)
		}
	}
	if r.questions() != 0 {
		t.Errorf("asked %v", r.asked)
	}
}

// TestCacheBeforeClient: with a real server behind it.
func TestCacheBeforeClient(t *testing.T) {
	srv := dnstest.Serve(t, dnstest.Zone{
		"example.org":    {MX: []string{"10 mx.example."}},
		"mx.example":     {A: []string{"192.0.2.1"}},
		"broken.example": {Fault: dnstest.ServFail},
	})
	c := cache(t, client(t, Options{Servers: []string{srv.Addr()}}), CacheOptions{})
	for range 3 {
		mx, err := c.LookupMX(t.Context(), "example.org")
		if err != nil || len(mx.Hosts) != 1 || mx.TTL <= 50*time.Second || mx.TTL > time.Minute {
			t.Errorf("%v, %v", mx, err)
		}
		if a, err := c.LookupAddrs(t.Context(), "mx.example"); err != nil || len(a.Addrs) != 1 {
			t.Errorf("%v, %v", a, err)
		}
		if _, err := c.LookupMX(t.Context(), "missing.example"); !errors.Is(err, ErrNoSuchDomain) {
			t.Error(err)
		}
		if _, err := c.LookupMX(t.Context(), "broken.example"); !errors.Is(err, ErrTrouble) {
			t.Error(err)
		}
	}
	if q := srv.Queries(); len(q) != 1+2+1+rounds {
		t.Errorf("the server was asked %v", q)
	}
}
