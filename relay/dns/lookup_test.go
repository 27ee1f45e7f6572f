package dns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// onDesk is how many look-ups a cache has in hand.
func onDesk(c *Cache) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.desk.byKey)
}

// TestCallersShareALookup: a hundred ask at once, one leaves early.
func TestCallersShareALookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &script{takes: 3 * time.Second}
		c := cache(t, r, CacheOptions{})
		var callers sync.WaitGroup
		callers.Go(func() { // the first, who started it
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.LookupMX(ctx, "example.org")
			if !errors.Is(err, ErrTrouble) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the one that left: %v", err)
			}
		})
		synctest.Wait()
		for range 100 {
			callers.Go(func() {
				if a, err := c.LookupMX(t.Context(), "example.org"); err != nil || a.Hosts[0].Host != "mx.example.org" {
					t.Errorf("%v, %v", a, err)
				}
			})
		}
		synctest.Wait()
		if s := c.Stats(); s.UnderWay != 1 || s.Misses != 101 {
			t.Errorf("%+v", s)
		}
		callers.Wait()
		if r.questions() != 1 {
			t.Errorf("asked %d times", r.questions())
		}
	})
}

// TestAnswerIsKeptThoughAllLeft: the next attempt need not wait again.
func TestAnswerIsKeptThoughAllLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache(t, &script{takes: 3 * time.Second}, CacheOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err1 := c.LookupMX(ctx, "example.org")
		_, err2 := c.LookupAddrs(ctx, "mx.example")
		if !errors.Is(err1, ErrTrouble) || !errors.Is(err2, ErrTrouble) {
			t.Errorf("answers before there were any: %v, %v", err1, err2)
		}
		time.Sleep(3 * time.Second)
		if _, err, known := c.KnownMX("example.org"); err != nil || !known {
			t.Errorf("%v, %v", err, known)
		}
	})
}

// TestLookupEndsInTime: a resolver that never answers does not hold a place for ever.
func TestLookupEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache(t, &script{takes: 24 * time.Hour}, CacheOptions{})
		start := time.Now()
		_, err := c.LookupMX(t.Context(), "example.org")
		if !errors.Is(err, ErrTrouble) || !strings.Contains(err.Error(), "no answer within 30s in all") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != lookupTime {
			t.Errorf("took %v", took)
		}
	})
}

func TestLookupsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &script{takes: time.Second}
		c := cache(t, r, CacheOptions{Lookups: 7})
		var callers sync.WaitGroup
		for i := range 70 {
			callers.Go(func() {
				if _, err := c.LookupMX(t.Context(), fmt.Sprintf("d%d.example", i)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if s := c.Stats(); s.UnderWay != 7 || s.Waiting != 63 {
			t.Errorf("%+v", s)
		}
		start := time.Now()
		callers.Wait()
		if took := time.Since(start); took != 10*time.Second || r.atOnce != 7 {
			t.Errorf("took %v, %d at once", took, r.atOnce)
		}
		synctest.Wait()
		if s := c.Stats(); s.UnderWay != 0 || s.Waiting != 0 || s.Entries != 70 {
			t.Errorf("%+v", s)
		}
	})
}

// TestWaitingLookupIsDropped: what waits in line is there for as long as someone wants to know.
func TestWaitingLookupIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &script{takes: 10 * time.Second}
		c := cache(t, r, CacheOptions{Lookups: 1})
		var callers sync.WaitGroup
		look := func(domain string, patience time.Duration) {
			callers.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if _, err := c.LookupMX(ctx, domain); (err == nil) != (patience > time.Minute) {
					t.Errorf("%s: %v", domain, err)
				}
			})
			synctest.Wait()
		}
		look("first.example", time.Hour)
		look("left.example", time.Second)
		look("left.example", 2*time.Second)
		look("shared.example", time.Second)
		look("shared.example", time.Hour)
		time.Sleep(1500 * time.Millisecond)
		if s := c.Stats(); s.Waiting != 2 {
			t.Errorf("%+v: one caller still waits for left.example", s)
		}
		time.Sleep(time.Second)
		if s := c.Stats(); s.Waiting != 1 || onDesk(c) != 2 {
			t.Errorf("%+v, %d on the desk", s, onDesk(c))
		}
		callers.Wait()
		if want := []string{"MX first.example", "MX shared.example"}; !slices.Equal(r.asked, want) {
			t.Errorf("asked %v, want %v", r.asked, want)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &script{takes: 10 * time.Second}
		c := NewCache(r, CacheOptions{Lookups: 1})
		if _, err := c.LookupMX(t.Context(), "known.example"); err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		for _, domain := range []string{"a.example", "b.example", "c.example"} { // one at the resolver, two in line
			callers.Go(func() {
				_, err := c.LookupMX(t.Context(), domain)
				if !errors.Is(err, ErrTrouble) || !errors.Is(err, errClosed) {
					t.Errorf("%s: %v", domain, err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		c.Close()
		callers.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v", took)
		}
		if _, err := c.LookupMX(t.Context(), "late.example"); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
		if _, err := c.LookupMX(t.Context(), "known.example"); err != nil {
			t.Errorf("from memory after Close: %v", err)
		}
		if s := c.Stats(); s.UnderWay != 0 || s.Waiting != 0 || s.Entries != 1 || onDesk(c) != 0 {
			t.Errorf("%+v", s)
		}
		c.Close()
	})
}

// TestCacheUnderLoad: all at once, for the race detector, with a memory that is always full.
func TestCacheUnderLoad(t *testing.T) {
	r := &script{takes: 100 * time.Microsecond, mx: func(domain string) (MXAnswer, error) {
		return MXAnswer{Hosts: []MX{{"a." + domain, 10}, {"b." + domain, 10}}, TTL: time.Hour}, nil
	}}
	c := cache(t, r, CacheOptions{Lookups: 5, Memory: 20_000})
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			for range 300 {
				domain := fmt.Sprintf("d%d.example", rand.IntN(200))
				ctx, cancel := context.WithTimeout(t.Context(), rand.N(20*time.Millisecond))
				a, err := c.LookupMX(ctx, domain)
				cancel()
				if err == nil && !strings.HasSuffix(a.Hosts[0].Host, domain) || err != nil && !errors.Is(err, ErrTrouble) {
					t.Errorf("%s: %v, %v", domain, a, err)
				}
				if err == nil {
					a.Hosts[0], a.Hosts[1] = MX{}, MX{} // the caller's own
				}
				if a, err, known := c.KnownMX(domain); known && (err != nil || !strings.HasSuffix(a.Hosts[1].Host, domain)) {
					t.Errorf("%s: %v, %v", domain, a, err)
				}
				c.Stats()
			}
		})
	}
	callers.Wait()
	if r.atOnce > 5 {
		t.Errorf("%d look-ups at once", r.atOnce)
	}
	if s := c.Stats(); s.Bytes > 20_000 || s.Entries < 20 || s.Hits == 0 {
		t.Errorf("%+v", s)
	}
}
