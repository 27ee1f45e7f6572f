package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
	"tlsrelay/queue/spool"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

const mx1, mx2 = "192.0.2.1:25", "192.0.2.2:25"

// world is a Deliverer and the servers it meets: each destination is at the servers of its list, which are bad while they say so.
type world struct {
	mu       sync.Mutex
	at       map[string][]string // remotes of destinations; others are at mx1
	bad      map[string]bool
	policy   tlspolicy.Policy
	off      bool // nothing may be tried
	attempts map[string][]time.Time
	trials   map[string][]time.Time
	passes   bool // in trials, though mail fails
}

func newWorld() *world {
	return &world{at: map[string][]string{}, bad: map[string]bool{}, attempts: map[string][]time.Time{}, trials: map[string][]time.Time{}}
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// remotes gives the servers of a destination.
func (w *world) remotes(destination string) []string {
	if list := w.at[destination]; list != nil {
		return list
	}
	return []string{mx1}
}

func (w *world) Site(destination string) (queue.Site, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return queue.Site{Name: fmt.Sprint(w.remotes(destination)), Workers: 5}, true
}

func (w *world) Resolve(context.Context, string) queue.Site { panic("all sites are known") }

func (w *world) attempt(job queue.Job) queue.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.attempts[job.Destination()] = append(w.attempts[job.Destination()], now)
	var r queue.Report
	o := queue.Outcome{Result: queue.ResultDelivered, End: now}
	for _, remote := range w.remotes(job.Destination()) {
		if !w.bad[remote] && !job.Item.RequireTLS {
			o = queue.Outcome{Result: queue.ResultDelivered, End: now}
			r.Site = queue.HealthGood
			break
		}
		o = queue.Outcome{Cause: "tls-version", Status: "4.7.5", Host: "mx.test", Remote: remote, End: now, TLS: queue.TLSFacts{Broken: true}}
		r.Site = queue.HealthBad
		r.Evidence = append(r.Evidence, queue.Evidence{Host: "mx.test", Remote: remote, Cause: "tls-version", First: now, Last: now, Attempts: 1})
	}
	for range job.Recipients {
		r.Outcomes = append(r.Outcomes, o)
	}
	return r
}

func (w *world) trial(destination, host, remote string) (probe.Target, tlspolicy.Decision, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, err := netip.ParseAddrPort(remote)
	return probe.Target{Addr: at, Name: host}, w.policy.Decide(destination, time.Now()), err == nil && !w.off
}

func (w *world) try(_ context.Context, t probe.Target, _ tlspolicy.Decision) error {
	time.Sleep(time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	remote := t.Addr.String()
	w.trials[remote] = append(w.trials[remote], time.Now())
	if w.bad[remote] && !w.passes {
		return errors.New("still TLS 1.0")
	}
	return nil
}

// attempted and tried give the times of attempts for a destination, and of trials of a server.
func (w *world) attempted(destination string) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.attempts[destination])
}

func (w *world) tried(remote string) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.trials[remote])
}

// lane feeds the watch, as package relay does.
type lane struct{ st *station }

func (l lane) Deliver(_ context.Context, job queue.Job, _ func() (queue.Job, bool)) queue.Report {
	r := l.st.world.attempt(job)
	l.st.watch.Attempted(job, r)
	return r
}

func (lane) Close() {}

func (st *station) Open() queue.Lane { return lane{st} }

// station is a scheduler with its watch.
type station struct {
	*world
	queue *queue.Scheduler
	store *spool.Store
	watch *Watch
	log   strings.Builder // to be read after stop
	stop  func()
}

type silent struct{}

func (silent) Compose(queue.Notice, queue.ID, time.Time, io.Reader) ([]byte, error) {
	return []byte("Subject: notice\r\n\r\n"), nil
}

func start(t *testing.T, dir string, w *world) *station {
	t.Helper()
	store, err := spool.Open(dir, spool.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	st := &station{world: w, store: store}
	st.queue = queue.NewScheduler(queue.SchedulerOptions{
		Store: store, Deliverer: st, Notifier: silent{}, Workers: 20, KeepIdle: time.Second, Grace: time.Second, Owner: "test",
		Schedule: func() queue.Schedule {
			return queue.Schedule{Retry: []time.Duration{5 * time.Minute, 4 * time.Hour}, Lifetime: 72 * time.Hour}
		},
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	st.watch = New(Options{Store: store, Retry: st.queue.RetryJobs, Trial: w.trial, Try: w.try, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(&st.log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	parts.Go(func() {
		if err := st.queue.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	parts.Go(func() { st.watch.Run(ctx) })
	st.stop = func() {
		cancel()
		parts.Wait()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	return st
}

func (st *station) enqueue(t *testing.T, change func(*queue.Item), recipients ...string) {
	t.Helper()
	body, err := st.queue.NewBody(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(body, "Subject: hello\r\n\r\nhello\r\n")
	now := time.Now()
	item := queue.Item{ID: st.queue.NextID(), Sender: "a@app.test", Size: body.Size(), Arrived: now, Expires: now.Add(72 * time.Hour)}
	for _, r := range recipients {
		item.Recipients = append(item.Recipients, queue.Recipient{Address: r, Destination: queue.DestinationOf(r), NextAttempt: now})
	}
	if change != nil {
		change(&item)
	}
	if err := st.queue.Enqueue(t.Context(), item, body); err != nil {
		t.Fatal(err)
	}
}

func (st *station) left(t *testing.T) int {
	t.Helper()
	items, err := st.store.Scan(t.Context(), 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return len(items)
}

func (st *station) watching() (servers, destinations, due int) {
	st.watch.mu.Lock()
	defer st.watch.mu.Unlock()
	return len(st.watch.servers), len(st.watch.destinations), len(st.watch.due)
}

// The host is repaired on day two: all mail leaves within minutes, that for other domains at the same host, too, though most of it
// was never tried there.
func TestMailLeavesWhenAServerIsMended(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bad[mx1] = true
		st := start(t, dir, w)
		const messages = 300
		for i := range messages {
			st.enqueue(t, nil, fmt.Sprintf("b@d%d.test", i%30))
		}
		time.Sleep(26 * time.Hour)
		if left := st.left(t); left != messages {
			t.Fatalf("%d messages left", left)
		}
		trials := len(w.tried(mx1))
		if trials < 26*6-30 || trials > 26*6+5 {
			t.Errorf("%d trials in 26 hours", trials)
		}
		w.set(func() { w.bad[mx1] = false })
		time.Sleep(12 * time.Minute)
		if left := st.left(t); left != 0 {
			t.Errorf("%d messages left", left)
		}
		time.Sleep(5 * time.Hour)
		if more := len(w.tried(mx1)) - trials; more != 1 {
			t.Errorf("%d trials after it was mended", more)
		}
		if servers, destinations, due := st.watching(); servers+destinations+due != 0 {
			t.Errorf("still watched: %d servers, %d destinations, %d due", servers, destinations, due)
		}
		st.stop()
		line := `msg="server recovered" host=mx.test address=192.0.2.1:25 was=tls-version jobs=300`
		if log := st.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, line) {
			t.Errorf("log:\n%s", log)
		}
	})
}

// A job that was in other hands when its server was mended, about to be put off, leaves soon, too.
func TestNoJobIsMissed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bad[mx1] = true
		st := start(t, dir, w)
		for range 10 {
			st.enqueue(t, nil, "b@old.test")
		}
		calls := 0
		retry := st.watch.opts.Retry
		st.watch.opts.Retry = func(ctx context.Context, jobs []queue.JobKey) (queue.Retried, error) {
			if calls++; calls == 1 {
				jobs = jobs[1:]
			}
			return retry(ctx, jobs)
		}
		time.Sleep(time.Hour)
		w.set(func() { w.bad[mx1] = false })
		time.Sleep(12 * time.Minute)
		if left := st.left(t); left != 0 || calls != 2 {
			t.Errorf("%d messages left after %d calls", left, calls)
		}
		st.stop()
	})
}

// A trial comes no sooner than five minutes after the failure; within a minute after it went well the mail is tried.
func TestPaceOfTrials(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bad[mx1] = true
		st := start(t, dir, w)
		st.enqueue(t, nil, "b@old.test")
		began := time.Now()
		time.Sleep(time.Hour)
		w.set(func() { w.bad[mx1] = false })
		time.Sleep(time.Hour)
		st.stop()
		trials := w.tried(mx1)
		if first := trials[0].Sub(began); first < firstPause || first > firstPause+time.Minute {
			t.Errorf("the first trial is after %v", first)
		}
		for i := 1; i < len(trials); i++ {
			if p := trials[i].Sub(trials[i-1]); p < nextPause || p > nextPause+nextPause/spread+5*time.Second {
				t.Errorf("pause %d is %v", i, p)
			}
		}
		attempts := w.attempted("old.test")
		if d := attempts[len(attempts)-1].Sub(trials[len(trials)-1]); d > time.Minute || d < 0 {
			t.Errorf("the mail was tried %v after the trial that went well", d)
		}
	})
}

// A start finds the servers for which mail waits already.
func TestStartFindsWhatWaits(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bad[mx1], w.bad[mx2] = true, true
		w.at["two.test"] = []string{mx1, mx2}
		st := start(t, dir, w)
		for range 1200 { // more than a page
			st.enqueue(t, nil, "b@two.test")
		}
		time.Sleep(20 * time.Minute)
		st.stop()
		clear(w.trials)
		time.Sleep(time.Hour)
		w.bad[mx2] = false
		w.bad[mx1] = true
		w.attempts = map[string][]time.Time{}
		st = start(t, dir, w)
		time.Sleep(2 * time.Minute)
		if left := st.left(t); left != 0 {
			t.Errorf("%d messages left after the start", left)
		}
		if len(w.tried(mx2)) != 1 {
			t.Errorf("trials %v", w.trials)
		}
		st.stop()
	})
}

// Other mail is left alone: that which waits for something else, that which asks for more, and other jobs of the same message.
func TestOtherMailIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bad[mx1], w.bad[mx2] = true, true
		w.at["other.test"] = []string{mx2}
		st := start(t, dir, w)
		st.enqueue(t, nil, "b@old.test", "b@other.test")
		st.enqueue(t, func(it *queue.Item) { it.RequireTLS = true }, "b@strict.test")
		time.Sleep(time.Hour)
		before := len(w.attempted("other.test")) + len(w.attempted("strict.test"))
		w.set(func() { w.bad[mx1] = false })
		time.Sleep(15 * time.Minute)
		if n := len(w.attempted("other.test")) + len(w.attempted("strict.test")) - before; n != 0 {
			t.Errorf("%d attempts too many", n)
		}
		if items, _ := st.store.Scan(t.Context(), 0, 10); len(items) != 2 || items[0].Recipients[0].State != queue.Delivered {
			t.Errorf("queue: %+v", items)
		}
		st.stop()
	})
}

// A server that passes trials while mail fails is tried less and less.
func TestServerThatOnlySeemsMended(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bad[mx1], w.passes = true, true
		st := start(t, dir, w)
		st.enqueue(t, nil, "b@old.test")
		time.Sleep(24 * time.Hour)
		st.stop()
		if n := len(w.tried(mx1)); n < 20 || n > 30 {
			t.Errorf("%d trials in a day", n)
		}
		if n := len(w.attempted("old.test")); n > 40 {
			t.Errorf("%d attempts in a day", n)
		}
	})
}

// Trials end with the mail, and where there is nothing to ask any more.
func TestTrialsEnd(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.bad[mx1], w.bad[mx2] = true, true
		w.at["deleted.test"] = []string{mx2}
		st := start(t, dir, w)
		st.enqueue(t, nil, "b@old.test")
		st.enqueue(t, nil, "b@deleted.test")
		time.Sleep(time.Minute)
		if servers, destinations, due := st.watching(); servers != 2 || destinations != 2 || due != 2 {
			t.Errorf("watched: %d servers, %d destinations, %d due", servers, destinations, due)
		}
		items, _ := st.store.Scan(t.Context(), 0, 10)
		if err := st.store.Commit(t.Context(), &queue.Batch{Delete: []queue.ID{items[1].ID}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if servers, destinations, due := st.watching(); servers != 1 || destinations != 1 || due != 1 {
			t.Errorf("after the deletion: %d servers, %d destinations, %d due", servers, destinations, due)
		}
		w.set(func() { w.off = true }) // a reload
		n := len(w.tried(mx1))
		time.Sleep(time.Hour)
		if servers, destinations, due := st.watching(); servers+destinations+due != 0 || len(w.tried(mx1)) != n {
			t.Errorf("with probes off: %d servers, %d destinations, %d due", servers, destinations, due)
		}
		st.stop()
	})
}

// However many servers fail, few are tried in a second, and memory is bounded.
func TestManyServers(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		st := start(t, dir, w)
		for i := range maxDestinations + 500 {
			remote := fmt.Sprintf("10.0.%d.%d:25", i/250, i%250)
			w.set(func() { w.bad[remote] = true })
			st.watch.failed(fmt.Sprintf("d%d.test", i), []queue.Evidence{{Host: "mx.test", Remote: remote}}, time.Now())
		}
		if servers, destinations, due := st.watching(); servers != maxDestinations || destinations != maxDestinations || due != maxDestinations {
			t.Errorf("%d servers, %d destinations, %d due", servers, destinations, due)
		}
		time.Sleep(10 * time.Minute)
		n := 0
		w.set(func() {
			for _, trials := range w.trials {
				n += len(trials)
			}
		})
		if n < 1000 || n > 1300 {
			t.Errorf("%d trials in about five minutes", n)
		}
		st.stop()
	})
}
