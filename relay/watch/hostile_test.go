package watch

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// wait puts mail for a domain into the queue that waits for a host of its own, at that address.
func (st *station) wait(t *testing.T, domain, remote string) {
	now := time.Now()
	e := queue.Evidence{Host: "mx." + domain, Remote: remote, Cause: "tls-version", First: now, Last: now, Attempts: 1}
	st.enqueue(t, func(it *queue.Item) {
		r := &it.Recipients[0]
		r.Attempts, r.NextAttempt, r.Evidence = 1, now.Add(71*time.Hour), []queue.Evidence{e}
		r.Last = queue.Outcome{Cause: e.Cause, Result: queue.ResultDeferred, Host: e.Host, Remote: remote, End: now}
	}, "b@"+domain)
	st.watch.failed(domain, []queue.Evidence{e}, now)
}

// A thousand domains, with a host each, lead to the address of somebody who has nothing to do with them: that one is left in
// peace, others are looked after as ever, and when it is mended all are tried soon.
func TestOneAddressOfManyNames(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bad[mx1], w.bad[mx2] = true, true
		st := start(t, dir, w)
		const names = 1000
		for i := range names {
			st.wait(t, fmt.Sprintf("d%d.test", i), mx1)
		}
		w.set(func() { w.at["other.test"] = []string{mx2} })
		st.wait(t, "other.test", mx2)
		time.Sleep(24 * time.Hour)
		trials := w.tried(mx1)
		if most := int(24*time.Hour/partyPause) + 1; len(trials) > most || len(trials) < most*9/10 {
			t.Errorf("%d trials in a day", len(trials))
		}
		for i := 1; i < len(trials); i++ {
			if p := trials[i].Sub(trials[i-1]); p < partyPause {
				t.Fatalf("the pause is %v", p)
			}
		}
		if n := len(w.tried(mx2)); n < 130 {
			t.Errorf("the other server was tried %d times", n)
		}
		w.set(func() { w.bad[mx1] = false })
		time.Sleep(20 * time.Minute)
		if left := st.left(t); left != 1 {
			t.Errorf("%d messages left", left)
		}
		st.stop()
	})
}

// Every name has its turn.
func TestNamesOfOneAddressTakeTurns(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bad[mx1] = true
		turns := map[string]int{}
		st := start(t, dir, w)
		st.watch.opts.Try = func(ctx context.Context, at probe.Target, _ tlspolicy.Decision) error {
			w.set(func() { turns[at.Name]++ })
			return context.DeadlineExceeded
		}
		for i := range 50 {
			st.wait(t, fmt.Sprintf("d%d.test", i), mx1)
		}
		time.Sleep(5 * time.Hour)
		st.stop()
		for i := range 50 {
			if n := turns[fmt.Sprintf("mx.d%d.test", i)]; n < 2 || n > 4 {
				t.Errorf("name %d had %d turns", i, n)
			}
		}
	})
}

// The clock is set back by a year: trials go on.
func TestRestsOutliveNoClock(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	w := New(Options{Now: func() time.Time { return now }, Trial: newWorld().trial})
	w.failed("a.test", []queue.Evidence{{Host: "mx.a.test", Remote: mx1}}, now)
	now = now.Add(time.Hour)
	if w.next() == nil {
		t.Fatal("nothing is due")
	}
	now = now.AddDate(-1, 0, 0)
	w.failed("b.test", []queue.Evidence{{Host: "mx.b.test", Remote: mx1}}, now)
	now = now.Add(time.Hour)
	if w.next() == nil {
		t.Error("nothing is due after the clock was set back")
	}
}

// However many names lead to an address, it gets few probes, and the share of others stays whole.
func TestProbesOfOneAddress(t *testing.T) {
	for name, addr := range map[string]func(int) string{
		"IPv4":                func(int) string { return "192.0.2.1" },
		"IPv4 in IPv6":        func(n int) string { return []string{"192.0.2.1", "::ffff:192.0.2.1"}[n%2] },
		"one network of IPv6": func(n int) string { return fmt.Sprintf("2001:db8:1:2::%x", n) },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &slow{probed: map[probe.Target]int{}}
			a := NewAsker(p)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { a.Run(ctx); close(ended) }()
			other := probe.Target{Addr: netip.MustParseAddrPort("[2001:db8:1:3::1]:25"), Name: "mx.other.test"}
			for n := range 24 * 60 {
				for i := range 10 {
					a.Ask(probe.Target{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr(n)), 25), Name: fmt.Sprintf("mx.d%d-%d.test", n, i)})
				}
				if n%60 == 0 {
					a.Ask(other)
				}
				time.Sleep(time.Minute)
			}
			stop()
			<-ended
			if n := len(p.probed) - 1; n > 24*4+probeBurst || n < 24*4 {
				t.Errorf("%s: %d probes in a day", name, n)
			}
			if p.probed[other] != 24 {
				t.Errorf("%s: the other server was probed %d times", name, p.probed[other])
			}
		})
	}
}

// Of endless addresses some are remembered, and forgotten.
func TestPartiesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAsker(&slow{probed: map[probe.Target]int{}})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { a.Run(ctx); close(ended) }()
		ask := func(n int) {
			a.Ask(probe.Target{Addr: netip.MustParseAddrPort(fmt.Sprintf("[2001:db8:%x:%x::1]:25", n>>16, n&0xffff)), Name: "mx.test"})
		}
		for n := range 2 * maxParties {
			if ask(n); n%500 == 499 {
				time.Sleep(3 * time.Minute)
			}
			if len(a.paid) > maxParties {
				t.Fatalf("%d parties are remembered", len(a.paid))
			}
		}
		time.Sleep(time.Hour)
		ask(1 << 20)
		time.Sleep(time.Minute)
		a.mu.Lock()
		if len(a.waiting) != 0 {
			t.Errorf("%d wait", len(a.waiting))
		}
		a.mu.Unlock()
		stop()
		<-ended
	})
}

// longQueue takes ten seconds to be read.
type longQueue struct {
	queue.Store
	looks int
}

func (q *longQueue) Scan(ctx context.Context, _ queue.ID, _ int) ([]queue.Item, error) {
	q.looks++
	pause(ctx, 10*time.Second)
	return nil, nil
}

// Servers that come and go do not have the queue read all the time.
func TestLooksAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &longQueue{}
		w := New(Options{Store: q, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.tend(ctx); close(ended) }()
		for range 3600 {
			w.mu.Lock()
			w.mended = append(w.mended, &server{})
			w.mu.Unlock()
			select {
			case w.passed <- struct{}{}:
			default:
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		looks := q.looks // at its end, tend may begin one more
		stop()
		<-ended
		if looks < 30 || looks > 37 {
			t.Errorf("%d looks in an hour", looks)
		}
	})
}
