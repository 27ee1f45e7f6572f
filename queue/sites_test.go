package queue_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
)

var refused = queue.Outcome{Result: queue.ResultDeferred, Cause: "connection-refused", Status: "4.4.1", Detail: "refused"}

// host is a remote whose site dead.test does not work while down is true. It measures how many attempts run at once.
type host struct {
	remote
	down  atomic.Bool
	takes time.Duration // an attempt

	mu          sync.Mutex
	atOnce      map[string]int
	mostAtOnce  map[string]int
	ramp        []int // attempts at once at dead.test, at the start of each
	interrupted int
}

func newHost() *host {
	h := &host{atOnce: map[string]int{}, mostAtOnce: map[string]int{}, takes: time.Second}
	dead := func(job queue.Job) bool { return h.down.Load() && job.Destination() == "dead.test" }
	h.outcome = func(job queue.Job) queue.Outcome {
		if dead(job) {
			return refused
		}
		return queue.Outcome{Result: queue.ResultDelivered}
	}
	h.health = func(job queue.Job) queue.Health {
		if dead(job) {
			return queue.HealthBad
		}
		return queue.HealthGood
	}
	return h
}

func (h *host) Site(destination string) (queue.Site, bool) {
	return queue.Site{Name: destination, Workers: 8}, true
}

func (h *host) Open() queue.Lane { return h }

func (h *host) Deliver(ctx context.Context, job queue.Job, next func() (queue.Job, bool)) queue.Report {
	h.count(job.Destination(), 1)
	defer h.count(job.Destination(), -1)
	time.Sleep(h.takes)
	return h.remote.Deliver(ctx, job, next)
}

func (h *host) count(site string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.atOnce[site] += n
	h.mostAtOnce[site] = max(h.mostAtOnce[site], h.atOnce[site])
	if n > 0 && site == "dead.test" && !h.down.Load() {
		h.ramp = append(h.ramp, h.atOnce[site])
	}
}

// all counts the attempts.
func (h *host) all() int {
	h.remote.mu.Lock()
	defer h.remote.mu.Unlock()
	return len(h.diary)
}

// nobodyHome prepares a station whose mail goes to hosts that are down.
func nobodyHome(t *testing.T, dir string) (*host, *station) {
	h := newHost()
	h.down.Store(true)
	return h, prepare(openSpool(t, dir), h, time.Now)
}

// crowd puts so many messages for different recipients at dead.test into the queue.
func (st *station) crowd(t *testing.T, messages int) {
	for i := range messages {
		st.enqueue(t, "a@app.test", fmt.Sprintf("b%d@dead.test", i))
	}
}

// A host that does not answer costs a few attempts, not one for each message that waits for it; all are deferred, and their
// senders are not told anything else than if they had been tried. When it comes back, mail flows slowly at first.
func TestSiteRests(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const messages = 300
		h, st := nobodyHome(t, dir)
		st.run(t)
		st.crowd(t, messages)
		st.enqueue(t, "a@app.test", "b@good.test")
		time.Sleep(4 * time.Minute)
		if n := len(h.attempts("dead.test")); n < 1 || n > 20 {
			t.Errorf("%d attempts at a dead host", n)
		}
		if n := len(h.attempts("good.test")); n != 1 {
			t.Errorf("%d attempts at the good one", n)
		}
		for _, item := range st.queued(t) {
			r := item.Recipients[0]
			if r.Attempts != 1 || r.Last.Cause != "connection-refused" || !r.NextAttempt.After(time.Now()) {
				t.Fatalf("%s: %d attempts, %+v, next %v", r.Address, r.Attempts, r.Last, r.NextAttempt)
			}
		}
		time.Sleep(2 * time.Hour)
		during := len(h.attempts("dead.test"))
		if during > 60 {
			t.Errorf("%d attempts in two hours", during)
		}
		h.down.Store(false)
		time.Sleep(4 * time.Hour)
		left := st.queued(t)
		st.stop()
		if len(left) != 0 || len(h.attempts("dead.test")) != during+messages {
			t.Errorf("%d messages left after %d attempts more", len(left), len(h.attempts("dead.test"))-during)
		}
		if most := h.mostAtOnce["dead.test"]; most > 8 {
			t.Errorf("%d attempts at once, the limit is 8", most)
		}
		if len(h.ramp) < 3 || h.ramp[0] != 1 {
			t.Errorf("no ramp: %v", h.ramp)
		}
	})
}

// Mail that comes while its site rests says at once why it waits.
func TestMailForARestingSite(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, st := nobodyHome(t, dir)
		st.run(t)
		for range 5 {
			st.enqueue(t, "a@app.test", "b@dead.test")
		}
		time.Sleep(20 * time.Second)
		before := len(h.attempts("dead.test"))
		id := st.enqueue(t, "a@app.test", "late@dead.test")
		time.Sleep(time.Second)
		item, err := st.store.Get(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		if r := item.Recipients[0]; r.Attempts != 1 || r.Last.Cause != "connection-refused" {
			t.Errorf("%d attempts, %+v", r.Attempts, r.Last)
		}
		if n := len(h.attempts("dead.test")); n != before {
			t.Errorf("%d attempts while the site rests", n-before)
		}
		st.stop()
		if !strings.Contains(st.log.String(), "recipient=late@dead.test") || !strings.Contains(st.log.String(), "tried=false") {
			t.Errorf("the log does not tell:\n%s", &st.log)
		}
	})
}

// A site that rests again after it has worked rests for the first pause.
func TestRestIsForgotten(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, st := nobodyHome(t, dir)
		st.run(t)
		mail := func(n int) {
			for range n {
				st.enqueue(t, "a@app.test", "b@dead.test")
				time.Sleep(20 * time.Second)
			}
		}
		mail(3 * 60) // an hour of pauses that grow
		h.down.Store(false)
		mail(3 * 30)
		h.down.Store(true)
		before := len(h.attempts("dead.test"))
		mail(3 * 4)
		if n := len(h.attempts("dead.test")) - before; n < 3 { // two until it rests
			t.Errorf("%d attempts in the first four minutes of a new outage", n)
		}
		st.stop()
	})
}

// 100,000 messages wait for one host. When it comes back it gets them as it can take them, slowly at first.
func TestHerd(t *testing.T) {
	messages := 100_000
	if testing.Short() || raceDetector {
		messages = 5_000
	}
	dir := memoryDir(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.takes = 50 * time.Millisecond
		h.down.Store(true)
		st := prepare(openSpool(t, dir), h, time.Now)
		st.quiet(50)
		st.run(t)
		for range messages {
			st.enqueue(t, "a@app.test", "b@dead.test")
			time.Sleep(time.Hour / time.Duration(messages))
		}
		time.Sleep(6 * time.Hour)
		if n := len(h.attempts("dead.test")); n > 100 {
			t.Errorf("%d attempts at a host that is down", n)
		}
		before := len(h.diary)
		h.down.Store(false)
		time.Sleep(6 * time.Hour)
		left := st.queued(t)
		st.stop()
		if len(left) != 0 || len(h.diary)-before != messages {
			t.Errorf("%d messages are left, %d attempts for %d", len(left), len(h.diary)-before, messages)
		}
		if most := h.mostAtOnce["dead.test"]; most > 8 {
			t.Errorf("%d attempts at once, the limit is 8", most)
		}
		if ramp := h.ramp[:4]; ramp[0] != 1 || ramp[1] > 2 || ramp[3] > 4 {
			t.Errorf("no ramp: %v", h.ramp[:20])
		}
		minutes := map[int64]int{}
		most := 0
		for _, a := range h.diary[before:] {
			minutes[a.at.Unix()/60]++
			most = max(most, minutes[a.at.Unix()/60])
		}
		t.Logf("%d messages, at most %d a minute and %d at once; at first %v at once", messages, most, h.mostAtOnce["dead.test"], h.ramp[:12])
	})
}

// After downtime over the lifetime of mail for a dead host it ends, all of it, without an attempt for each.
func TestExpiredMailEndsWithItsSite(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const messages = 200
		h, st := nobodyHome(t, dir)
		st.run(t)
		st.crowd(t, messages)
		time.Sleep(time.Minute)
		st.stop()
		time.Sleep(100 * time.Hour)

		before := len(h.attempts("dead.test"))
		st = prepare(openSpool(t, dir), h, time.Now)
		st.run(t)
		time.Sleep(5 * time.Minute)
		left := st.queued(t)
		st.stop()
		if n := len(h.attempts("dead.test")) - before; n < 1 || n > 20 {
			t.Errorf("%d attempts", n)
		}
		if notices := st.notices(); len(notices) != messages || len(left) != 0 {
			t.Errorf("%d notices for %d messages, %d left", len(notices), messages, len(left))
		}
	})
}

// Mail that is given up sooner for the cause of its site ends with it, too: no later, and not before the site was tried since.
func TestMailEndsSoonerWithItsSite(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const messages = 50
		sooner := threeDays
		sooner.LifetimeByCause = map[string]time.Duration{refused.Cause: 2 * time.Hour}
		_, st := nobodyHome(t, dir)
		st.opts.Schedule = func() queue.Schedule { return sooner }
		st.quiet(10)
		st.run(t)
		began := time.Now()
		st.crowd(t, messages)
		time.Sleep(2*time.Hour - time.Minute)
		if left := st.queued(t); len(left) != messages {
			t.Errorf("%d messages left before the end", len(left))
		}
		time.Sleep(15 * time.Minute)
		left := st.queued(t)
		st.stop()
		notices := st.notices()
		if len(notices) != messages || len(left) != 0 {
			t.Errorf("%d notices for %d messages, %d left", len(notices), messages, len(left))
		}
		for _, n := range notices {
			if age := n.at.Sub(began); !n.expired || age < 2*time.Hour {
				t.Errorf("notice after %v: %+v", age, n)
			}
		}
	})
}

// An operator who tells a resting site to try again is obeyed at once.
func TestRetryEndsTheRest(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h, st := nobodyHome(t, dir)
		st.run(t)
		var ids []queue.ID
		for range 5 {
			ids = append(ids, st.enqueue(t, "a@app.test", "b@dead.test"))
		}
		time.Sleep(time.Hour)
		h.down.Store(false)
		if _, err := st.Retry(context.Background(), ids); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if left := st.queued(t); len(left) != 0 {
			t.Errorf("%d messages left", len(left))
		}
		st.stop()
	})
}

// eager wants each next job before the end of the one that it has.
type eager struct {
	*host
	expect queue.ID // 0: nothing was taken ahead
	bad    *atomic.Int32
}

func (h *eager) Open() queue.Lane { return &eager{host: h.host, bad: h.bad} }

func (h *eager) Deliver(ctx context.Context, job queue.Job, next func() (queue.Job, bool)) queue.Report {
	if h.expect != 0 && h.expect != job.Item.ID {
		h.bad.Add(1)
	}
	h.expect = 0
	if ahead, ok := next(); ok {
		h.expect = ahead.Item.ID
	}
	return h.host.Deliver(ctx, job, nil)
}

// Jobs that are taken ahead are tried next, once, and are kept if the relay stops.
func TestJobsAhead(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const messages = 500
		h := &eager{host: newHost(), bad: new(atomic.Int32)}
		st := prepare(openSpool(t, dir), h, time.Now)
		st.run(t)
		for i := range messages {
			st.enqueue(t, "a@app.test", fmt.Sprintf("b@d%d.test", i%3))
		}
		time.Sleep(3 * time.Second)
		st.stop()
		first := len(h.diary)
		if first == 0 || first == messages {
			t.Fatalf("%d attempts before the stop", first)
		}

		st = prepare(openSpool(t, dir), h, time.Now)
		st.run(t)
		time.Sleep(10 * time.Minute)
		left := st.queued(t)
		st.stop()
		if len(left) != 0 || len(h.diary) != messages || h.bad.Load() != 0 {
			t.Errorf("%d messages left, %d attempts for %d messages, %d not in order", len(left), len(h.diary), messages, h.bad.Load())
		}
		seen := map[queue.ID]bool{}
		for _, a := range h.diary {
			if seen[a.id] {
				t.Errorf("%v was delivered twice", a.id)
			}
			seen[a.id] = true
		}
	})
}

// asked is a host whose sites are not known at first.
type asked struct {
	*host
	sites sync.Map
}

func (a *asked) Site(destination string) (queue.Site, bool) {
	s, known := a.sites.Load(destination)
	if !known {
		return queue.Site{}, false
	}
	return s.(queue.Site), true
}

func (a *asked) Resolve(ctx context.Context, destination string) queue.Site {
	s := queue.Site{Name: "mx.test", Workers: 2}
	if destination == "silent.test" {
		select {
		case <-time.After(20 * time.Second):
		case <-ctx.Done():
		}
		s.Name = destination
	}
	a.sites.Store(destination, s)
	return s
}

// A destination whose DNS is slow keeps no other waiting, and destinations with the same hosts share their limit.
func TestSitesAreResolved(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := &asked{host: newHost()}
		st := prepare(openSpool(t, dir), a, time.Now)
		st.run(t)
		began := time.Now()
		st.enqueue(t, "a@app.test", "b@silent.test")
		for i := range 20 {
			st.enqueue(t, "a@app.test", fmt.Sprintf("b@d%d.test", i))
		}
		time.Sleep(5500 * time.Millisecond)
		if n := a.all(); n < 9 || n > 10 { // one alone at first
			t.Errorf("%d attempts in five seconds, two at once for a second each", n)
		}
		time.Sleep(20 * time.Second)
		silent := a.attempts("silent.test")
		if len(silent) != 1 || silent[0].at.Sub(began) < 20*time.Second {
			t.Errorf("silent.test: %+v", silent)
		}
		if left := st.queued(t); len(left) != 0 {
			t.Errorf("%d messages left", len(left))
		}
		st.stop()
	})
}

// A stop does not wait for the DNS.
func TestStopWhileASiteIsAskedFor(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := prepare(openSpool(t, dir), &asked{host: newHost()}, time.Now)
		st.run(t)
		st.enqueue(t, "a@app.test", "b@silent.test")
		time.Sleep(time.Second)
		began := time.Now()
		st.stop()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}
