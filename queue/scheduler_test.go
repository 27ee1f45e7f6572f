package queue_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
	"tlsrelay/queue/spool"
)

// remote is a Deliverer that follows a script and keeps a diary.
type remote struct {
	mu      sync.Mutex
	outcome func(job queue.Job) queue.Outcome
	health  func(job queue.Job) queue.Health // nil: unknown
	diary   []attemptSeen
}

type attemptSeen struct {
	id          queue.ID
	destination string
	attempt     int
	at          time.Time
}

// Each destination is a site.
func (r *remote) Site(destination string) (queue.Site, bool) {
	return queue.Site{Name: destination, Workers: 5}, true
}

func (r *remote) Resolve(context.Context, string) queue.Site { panic("all sites are known") }

func (r *remote) Open() queue.Lane { return r }

func (r *remote) Close() {}

func (r *remote) Deliver(ctx context.Context, job queue.Job, _ func() (queue.Job, bool)) queue.Report {
	r.mu.Lock()
	r.diary = append(r.diary, attemptSeen{job.Item.ID, job.Destination(), job.Attempt, time.Now()})
	r.mu.Unlock()
	outcomes := make([]queue.Outcome, len(job.Recipients))
	for i := range outcomes {
		outcomes[i] = r.outcome(job)
	}
	report := queue.Report{Outcomes: outcomes}
	if r.health != nil {
		report.Site = r.health(job)
	}
	return report
}

func (r *remote) attempts(destination string) []attemptSeen {
	r.mu.Lock()
	defer r.mu.Unlock()
	var seen []attemptSeen
	for _, a := range r.diary {
		if a.destination == destination {
			seen = append(seen, a)
		}
	}
	return seen
}

// notifier writes a line for each notice, and keeps what it was asked for.
type notifier struct {
	mu      sync.Mutex
	notices []noticeSeen
	seen    func(queue.Notice) // nil: notices are kept
}

type noticeSeen struct {
	kind    queue.NoticeKind
	expired bool
	at      time.Time
}

func (n *notifier) Compose(notice queue.Notice, id queue.ID, now time.Time, original io.Reader) ([]byte, error) {
	if n.seen != nil {
		n.seen(notice)
		return []byte("Subject: notice\r\n\r\n"), nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notices = append(n.notices, noticeSeen{notice.Kind, notice.Expired, now})
	body, err := io.ReadAll(original)
	return fmt.Appendf(nil, "Subject: %v\r\n\r\n%s", notice.Kind, body), err
}

// station is a scheduler on a spool with its surroundings.
type station struct {
	*queue.Scheduler
	opts     queue.SchedulerOptions
	store    queue.Store
	remote   *remote
	notifier *notifier
	now      func() time.Time
	log      strings.Builder // to be read after stop
	lifetime time.Duration   // of new messages
	stop     func()
}

var threeDays = queue.Schedule{
	Retry: []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute,
		time.Hour, 2 * time.Hour, 4 * time.Hour},
	Lifetime:    72 * time.Hour,
	DelayNotice: 4 * time.Hour,
}

func openSpool(t *testing.T, dir string) *spool.Store {
	t.Helper()
	store, err := spool.Open(dir, spool.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// start runs a scheduler on the spool in dir, and waits until it knows its jobs.
func start(t *testing.T, dir string, deliverer *remote) *station {
	t.Helper()
	st := prepare(openSpool(t, dir), deliverer, time.Now)
	st.run(t)
	<-st.Loaded()
	return st
}

func prepare(store queue.Store, deliverer queue.Deliverer, now func() time.Time) *station {
	st := &station{store: store, notifier: &notifier{}, now: now, lifetime: threeDays.Lifetime}
	st.remote, _ = deliverer.(*remote)
	st.opts = queue.SchedulerOptions{
		Store: store, Deliverer: deliverer, Notifier: st.notifier, Schedule: func() queue.Schedule { return threeDays },
		Workers: 10, Idle: 10, KeepIdle: 5 * time.Second, Grace: 10 * time.Second,
		Owner: "test", Now: now, Log: slog.New(slog.NewTextHandler(&st.log, nil)),
	}
	st.Scheduler = queue.NewScheduler(st.opts)
	return st
}

// quiet makes the scheduler anew, with so many workers and without a log.
func (st *station) quiet(workers int) {
	st.opts.Workers, st.opts.Log = workers, slog.New(slog.DiscardHandler)
	st.Scheduler = queue.NewScheduler(st.opts)
}

func (st *station) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- st.Run(ctx) }()
	st.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := st.store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// enqueue puts a message with the given recipients into the queue.
func (st *station) enqueue(t *testing.T, sender string, recipients ...string) queue.ID {
	t.Helper()
	return st.enqueueFor(t, st.now(), 0, sender, recipients...)
}

// enqueueFor is enqueue with the time of the first attempt and what the sender wants to hear.
func (st *station) enqueueFor(t *testing.T, due time.Time, notify queue.Notify, sender string, recipients ...string) queue.ID {
	t.Helper()
	ctx := context.Background()
	body, err := st.NewBody(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(body, "Subject: hello\r\n\r\nhello\r\n"); err != nil {
		t.Fatal(err)
	}
	now := st.now()
	item := queue.Item{ID: st.NextID(), Sender: sender, Size: body.Size(), Arrived: now, Expires: now.Add(st.lifetime)}
	for _, r := range recipients {
		item.Recipients = append(item.Recipients, queue.Recipient{Address: r, Destination: queue.DestinationOf(r), NextAttempt: due,
			Notify: notify})
	}
	if err := st.Enqueue(ctx, item, body); err != nil {
		t.Fatal(err)
	}
	return item.ID
}

// queued gives the messages in the queue.
func (st *station) queued(t *testing.T) []queue.Item {
	t.Helper()
	items, err := st.store.Scan(context.Background(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func (st *station) notices() []noticeSeen {
	st.notifier.mu.Lock()
	defer st.notifier.mu.Unlock()
	return slices.Clone(st.notifier.notices)
}

func constantly(o queue.Outcome) *remote {
	return &remote{outcome: func(queue.Job) queue.Outcome { return o }}
}

var oldTLS = queue.Outcome{Result: queue.ResultDeferred, Cause: "tls-version", Status: "4.7.5"}

// onlyFor defers mail for one destination and delivers all other mail.
func onlyFor(destination string, o queue.Outcome) *remote {
	return &remote{outcome: func(job queue.Job) queue.Outcome {
		if job.Destination() == destination {
			return o
		}
		return queue.Outcome{Result: queue.ResultDelivered}
	}}
}

func TestThreeDays(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := start(t, dir, onlyFor("old.test", oldTLS))
		began := time.Now()
		id := st.enqueue(t, "a@app.test", "b@old.test")
		time.Sleep(80 * time.Hour)
		st.stop()

		attempts := st.remote.attempts("old.test")
		pauses := threeDays.Retry
		for i := 1; i < len(attempts)-1; i++ {
			want := pauses[min(i, len(pauses))-1]
			got := attempts[i].at.Sub(attempts[i-1].at)
			if got < want*9/10 || got > want*11/10+time.Second {
				t.Errorf("pause before attempt %d: %v, want about %v", i+1, got, want)
			}
		}
		// 4h15m for the first seven pauses, then one every four hours, and the last at the end of the lifetime.
		if n := len(attempts); n < 22 || n > 26 {
			t.Errorf("%d attempts", n)
		}
		last := attempts[len(attempts)-1]
		if got := last.at.Sub(began); got < 72*time.Hour || got > 72*time.Hour+time.Minute {
			t.Errorf("the last attempt was made after %v", got)
		}
		for i, a := range attempts {
			if a.id != id || a.attempt != i+1 {
				t.Errorf("attempt %d is counted as %+v", i+1, a)
			}
		}
		notices := st.notices()
		if len(notices) != 2 || notices[0].kind != queue.NoticeDelay || notices[1].kind != queue.NoticeFailure || !notices[1].expired {
			t.Fatalf("notices %+v", notices)
		}
		if age := notices[0].at.Sub(began); age < 4*time.Hour || age > 9*time.Hour {
			t.Errorf("delay notice after %v", age)
		}
		if got := st.remote.attempts("app.test"); len(got) != 2 {
			t.Errorf("%d notices were delivered", len(got))
		}
	})
}

func TestEachDestinationHasItsOwnJob(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := start(t, dir, onlyFor("old.test", oldTLS))
		st.enqueue(t, "a@app.test", "b@old.test", "c@good.test", "d@old.test")
		time.Sleep(time.Hour)
		items := st.queued(t)
		st.stop()
		if len(items) != 1 {
			t.Fatalf("%d messages are queued", len(items))
		}
		var states []queue.State
		for _, r := range items[0].Recipients {
			states = append(states, r.State)
		}
		if want := []queue.State{queue.Queued, queue.Delivered, queue.Queued}; !slices.Equal(states, want) {
			t.Errorf("states %v, want %v", states, want)
		}
		if n := len(st.remote.attempts("good.test")); n != 1 {
			t.Errorf("%d attempts for the good destination", n)
		}
	})
}

func TestRestartGoesOnWhereItStopped(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := start(t, dir, constantly(oldTLS))
		st.enqueue(t, "a@app.test", "b@old.test")
		time.Sleep(20 * time.Minute) // three attempts
		st.stop()
		before := st.remote.attempts("old.test")

		st = start(t, dir, onlyFor("nowhere.test", oldTLS))
		time.Sleep(time.Minute)
		if early := st.remote.attempts("old.test"); len(early) != 0 {
			t.Errorf("tried at once after the restart: %+v", early)
		}
		time.Sleep(time.Hour)
		st.stop()
		after := st.remote.attempts("old.test")
		if len(after) != 1 || after[0].attempt != len(before)+1 {
			t.Errorf("before %+v, after %+v", before, after)
		}
	})
}

func TestDowntimeOverTheLifetimeGetsOneFreshAttempt(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := start(t, dir, constantly(oldTLS))
		st.enqueue(t, "a@app.test", "b@old.test")
		st.enqueue(t, "a@app.test", "c@mended.test")
		time.Sleep(10 * time.Minute)
		st.stop()
		time.Sleep(240 * time.Hour)

		st = start(t, dir, onlyFor("old.test", oldTLS))
		time.Sleep(time.Minute)
		left := st.queued(t)
		st.stop()
		if len(st.remote.attempts("old.test")) != 1 || len(st.remote.attempts("mended.test")) != 1 {
			t.Errorf("attempts after the downtime: %+v", st.remote.diary)
		}
		if n := st.notices(); len(n) != 1 || !n[0].expired {
			t.Errorf("notices %+v", n)
		}
		if len(left) != 0 {
			t.Errorf("still queued: %+v", left)
		}
	})
}

func TestNullSenderMakesNoNotice(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := start(t, dir, constantly(queue.Outcome{Result: queue.ResultFailed, Cause: "remote-permanent"}))
		st.enqueue(t, "", "b@gone.test")
		time.Sleep(time.Minute)
		left := st.queued(t)
		st.stop()
		if n := st.notices(); len(n) != 0 || len(left) != 0 {
			t.Errorf("notices %+v, queued %+v", n, left)
		}
	})
}

func TestNoticeOfNoticeIsNeverMade(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := start(t, dir, constantly(queue.Outcome{Result: queue.ResultFailed, Cause: "remote-permanent"}))
		st.enqueue(t, "a@app.test", "b@gone.test") // bounces, and the bounce bounces
		time.Sleep(time.Minute)
		left := st.queued(t)
		st.stop()
		if n := st.notices(); len(n) != 1 || len(left) != 0 {
			t.Errorf("notices %+v, queued %+v", n, left)
		}
	})
}

// A delivery makes the notice that the sender asked for, unless the next hop sees to it; a failure makes none if it
// asked for none, and the log says why.
func TestSenderIsToldWhatItAskedFor(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		outcomes := map[string]queue.Outcome{
			"plain.test": {Result: queue.ResultDelivered}, "dsn.test": {Result: queue.ResultDelivered, DSN: true},
			"gone.test": {Result: queue.ResultFailed, Cause: "remote-permanent"}, "app.test": {},
		}
		st := start(t, dir, &remote{outcome: func(job queue.Job) queue.Outcome { return outcomes[job.Destination()] }})
		for destination := range outcomes {
			if destination != "app.test" {
				st.enqueueFor(t, st.now(), queue.NotifySuccess, "a@app.test", "b@"+destination)
			}
		}
		time.Sleep(time.Minute)
		left := st.queued(t)
		st.stop()
		if n := st.notices(); len(n) != 1 || n[0].kind != queue.NoticeRelayed {
			t.Errorf("notices %+v", n)
		}
		if len(left) != 1 || left[0].Sender != "" || left[0].Recipients[0].Notify != queue.NotifyNever {
			t.Errorf("queued %+v", left)
		}
		for _, line := range []string{`msg="no notice"`, "recipient=b@gone.test", "asked for no notice: NOTIFY=SUCCESS", "kind=relayed"} {
			if strings.Count(st.log.String(), line) < 1 {
				t.Errorf("no %q in the log:\n%s", line, &st.log)
			}
		}
	})
}

func TestStopKeepsInterruptedAttempts(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		hang := &hanging{}
		store, err := spool.Open(dir, spool.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		s := queue.NewScheduler(queue.SchedulerOptions{
			Store: store, Deliverer: hang, Notifier: &notifier{}, Schedule: func() queue.Schedule { return threeDays }, Workers: 10,
			Grace: 10 * time.Second, Owner: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		st := &station{Scheduler: s, store: store, now: time.Now, lifetime: threeDays.Lifetime}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		st.enqueue(t, "a@app.test", "b@slow.test", "c@done.test")
		time.Sleep(time.Minute)
		began := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("stopping took %v", took)
		}
		items := st.queued(t)
		if len(items) != 1 || items[0].Recipients[0].Attempts != 0 || items[0].Recipients[0].State != queue.Queued ||
			items[0].Recipients[1].State != queue.Delivered {
			t.Errorf("queued %+v", items)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// hanging delivers to done.test and hangs on all else until it is told to stop.
type hanging struct{ remote }

func (h *hanging) Open() queue.Lane { return h }

func (h *hanging) Deliver(ctx context.Context, job queue.Job, _ func() (queue.Job, bool)) queue.Report {
	if strings.HasPrefix(job.Destination(), "done") {
		return queue.Report{Outcomes: []queue.Outcome{{Result: queue.ResultDelivered}}}
	}
	<-ctx.Done()
	return queue.Report{Outcomes: []queue.Outcome{{Result: queue.ResultDeferred, Cause: "local-trouble"}}}
}

func TestClockStepsBack(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var offset atomic.Int64
		now := func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) }
		st := prepare(openSpool(t, dir), constantly(oldTLS), now)
		st.run(t)
		st.enqueue(t, "a@app.test", "b@old.test")
		time.Sleep(time.Hour)
		before := len(st.remote.attempts("old.test"))
		offset.Store(int64(-365 * 24 * time.Hour))
		time.Sleep(9 * time.Hour) // more than twice the longest pause
		if after := len(st.remote.attempts("old.test")); after <= before {
			t.Errorf("%d attempts before the step, %d after", before, after)
		}
		st.stop()
	})
}
