package dns

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
)

func TestShelfKeepsWhatIsUsed(t *testing.T) {
	named := func(name string) *entry { return &entry{key: key{name, miekg.TypeMX}} }
	s := newShelf(3 * named("a").bytes())
	has := func(want string) {
		t.Helper()
		got, bytes := "", 0
		for at := s.queue.Front(); at != nil; at = at.Next() {
			e := at.Value.(*entry)
			got, bytes = got+e.key.name, bytes+e.bytes()
		}
		if got != want || len(s.byKey) != len(want) || s.size != bytes {
			t.Errorf("has %q, want %q; %d keys, %d bytes, counted %d", got, want, len(s.byKey), bytes, s.size)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		s.put(named(name))
	}
	has("abc")
	s.get(key{"a", miekg.TypeMX})
	s.put(named("d"))
	has("cda") // b went instead
	s.put(named("e"))
	has("dae")
	s.put(named("f"))
	has("aef")
	s.put(named("g")) // a was not used again
	has("efg")
	again := named("e")
	s.put(again)
	has("fge")
	if s.get(again.key) != again || s.get(key{"b", miekg.TypeMX}) != nil || s.get(key{"g", miekg.TypeA}) != nil {
		t.Error("wrong entries")
	}
	s.get(key{"f", miekg.TypeMX})
	s.get(key{"g", miekg.TypeMX})
	s.put(named("h")) // all others are in use, and it is not yet
	has("fge")
	large := named("x")
	large.hosts = []MX{{strings.Repeat("x", s.limit-large.bytes()-hostBytes-stringBytes("")), 10}}
	s.put(large)
	has("x")
	large = named("y")
	large.hosts = []MX{{strings.Repeat("x", s.limit), 10}}
	s.put(large) // does not fit at all
	has("")
}

// TestShelfDoesNotSearchForLong: when all is in use, the oldest goes after some chances.
func TestShelfDoesNotSearchForLong(t *testing.T) {
	const n = 10 * maxChances
	s := newShelf(n * (&entry{}).bytes())
	for i := range n {
		s.put(&entry{key: key{qtype: uint16(i)}})
	}
	for i := range n {
		s.get(key{qtype: uint16(i)})
	}
	s.put(&entry{key: key{qtype: n}})
	if oldest := s.queue.Front().Value.(*entry); len(s.byKey) != n || oldest.key.qtype != maxChances+1 || !oldest.used {
		t.Errorf("%d entries, the oldest is %+v", len(s.byKey), oldest)
	}
}

// TestMemoryIsBounded fills a cache with the largest answers there are, and with the smallest.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 8 << 20
	label := strings.Repeat("x", 60)
	fillings := map[string]func(domain string) (MXAnswer, error){
		"large": func(domain string) (MXAnswer, error) {
			a := MXAnswer{TTL: time.Hour}
			for i := range MaxHosts {
				a.Hosts = append(a.Hosts, MX{fmt.Sprintf("h%d.%s.%s.%s.%s", i, label, label, label, domain), 10})
			}
			return a, nil
		},
		"usual": usualAnswer,
		"denied": func(domain string) (MXAnswer, error) {
			return MXAnswer{}, fmt.Errorf("%s: %w", domain, ErrNoSuchDomain)
		},
		"trouble": troubledAnswer,
	}
	for name, mx := range fillings {
		t.Run(name, func(t *testing.T) {
			c := cache(t, fixed(mx), CacheOptions{Memory: limit})
			before := heap()
			for i := 0; c.Stats().Bytes < limit*99/100 || i < 3000; i++ {
				c.LookupMX(t.Context(), domainNumber(i))
			}
			if got := heap() - before; got > limit*5/4 {
				t.Errorf("%d MB in use, want at most %d", got>>20, limit>>20)
			}
			runtime.KeepAlive(c)
		})
	}
}

// TestLongStringsAreLetGo: a domain is often cut from a longer text, which must not stay in memory with it.
func TestLongStringsAreLetGo(t *testing.T) {
	c := cache(t, fixed(usualAnswer), CacheOptions{})
	before := heap()
	for i := range 100 {
		text := domainNumber(i) + strings.Repeat(" ", 1<<17)
		c.LookupMX(t.Context(), text[:len(domainNumber(i))])
	}
	if got := heap() - before; got > 1<<20 {
		t.Errorf("%d KB in use", got>>10)
	}
	runtime.KeepAlive(c)
}

// fixed is a Resolver of MX alone that remembers nothing.
type fixed func(domain string) (MXAnswer, error)

func (f fixed) LookupMX(_ context.Context, domain string) (MXAnswer, error) { return f(domain) }

func (f fixed) LookupAddrs(context.Context, string) (AddrAnswer, error) { return AddrAnswer{}, nil }

func domainNumber(i int) string { return fmt.Sprintf("customer-%06d.example", i) }

// usualAnswer is that of a domain with two hosts of its own.
func usualAnswer(domain string) (MXAnswer, error) {
	return MXAnswer{Hosts: []MX{{"mx1." + domain, 10}, {"mx2." + domain, 20}}, TTL: time.Hour}, nil
}

func troubledAnswer(domain string) (MXAnswer, error) {
	e := &TroubleError{Question: "MX " + domain}
	for i := range 3 {
		e.note(fmt.Sprintf("192.0.2.%d:53", i), fmt.Errorf("gave no answer within %v", defaultTimeout))
	}
	return MXAnswer{}, e
}

// heap is what is in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// BenchmarkMemory shows what the answers for 100,000 domains take.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	for name, mx := range map[string]func(string) (MXAnswer, error){"hosts": usualAnswer, "trouble": troubledAnswer} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c := NewCache(fixed(mx), CacheOptions{Memory: 1 << 30})
				before := heap()
				for i := range n {
					c.LookupMX(b.Context(), domainNumber(i))
				}
				b.ReportMetric(float64(heap()-before)/n, "B/entry")
				b.ReportMetric(float64(c.Stats().Bytes)/n, "counted-B/entry")
				c.Close()
			}
		})
	}
}

// BenchmarkKnownMX is what the scheduler pays for each due job.
func BenchmarkKnownMX(b *testing.B) {
	c := NewCache(fixed(usualAnswer), CacheOptions{Memory: 1 << 30})
	defer c.Close()
	var domains [1 << 16]string
	for i := range domains {
		domains[i] = domainNumber(i)
		c.LookupMX(b.Context(), domains[i])
	}
	for name, of := range map[string]int{"one": 1, "65536": len(domains)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, _, known := c.KnownMX(domains[i%of]); !known {
					b.Fatal("not known")
				}
			}
		})
	}
	b.Run("unknown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.KnownMX("unknown.example")
		}
	})
}

func TestKnownMXAllocatesOnce(t *testing.T) {
	c := cache(t, fixed(usualAnswer), CacheOptions{})
	c.LookupMX(t.Context(), "example.org")
	for domain, want := range map[string]float64{"example.org": 1, "unknown.example": 0} {
		if got := testing.AllocsPerRun(1000, func() { c.KnownMX(domain) }); got > want {
			t.Errorf("%s: %v allocations, want %v", domain, got, want)
		}
	}
}
