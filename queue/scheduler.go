package queue

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Notifier writes the text of a notice (a whole message, RFC 3464). original is the message it is about, empty if it cannot
// be read any more.
type Notifier interface {
	Compose(n Notice, id ID, now time.Time, original io.Reader) ([]byte, error)
}

// SchedulerOptions says what a Scheduler works with. All fields but Idle, KeepIdle, Grace and Tally are needed.
type SchedulerOptions struct {
	Store     Store
	Deliverer Deliverer
	Notifier  Notifier
	Schedule  func() Schedule // asked at each use: it may change while the scheduler runs

	Workers  int           // at once, each with one attempt under way; a Site has its own limit
	Idle     int           // workers beside those that keep their lane open for the next job, or take long for one
	KeepIdle time.Duration // how long they do
	Grace    time.Duration // how long attempts under way may go on when Run's context ends

	Owner string // names this relay in claims
	Now   func() time.Time
	Log   *slog.Logger
	Tally Tally // nil: nobody counts
}

// Scheduler decides which job is tried when. One goroutine (Run) owns all its state; workers make attempts in goroutines of
// their own, and talk with it over channels.
//
// What it keeps in memory are hints: "this job may be due at that time". The store's word at the moment of the claim
// decides, so a hint that is double or outdated does no harm. The rule by which no job is without one stands at ready.
type Scheduler struct {
	opts SchedulerOptions
	ids  IDSource

	inbox    *inbox // jobs to look at, from outside
	rethink  chan struct{}
	loaded   chan struct{} // closed when all of the store's jobs are known
	reports  chan report   // of workers whose attempt has ended
	asks     chan *worker  // that want a job ahead
	leaves   chan *worker  // that were idle long enough
	answers  chan answer
	returned chan returned // from postponements

	running sync.WaitGroup // workers, questions and postponements

	hints struct{ scheduled, due atomic.Int64 } // see Hints
}

// answer is the site of a destination.
type answer struct {
	destination string
	site        Site
}

// returned are hints for jobs that were postponed.
type returned struct {
	site *site
	jobs []DueJob
}

// maxSleep bounds how long the scheduler waits without looking at the clock, which may have been set meanwhile.
const maxSleep = time.Minute

// NewScheduler prepares a scheduler; Run makes it work.
func NewScheduler(o SchedulerOptions) *Scheduler {
	now := o.Now
	o.Now = func() time.Time { return now().Round(0) } // the wall clock alone: that is what the store keeps, and what may step
	if o.Tally == nil {
		o.Tally = noTally{}
	}
	return &Scheduler{
		opts:     o,
		inbox:    newInbox(),
		rethink:  make(chan struct{}, 1),
		loaded:   make(chan struct{}),
		reports:  make(chan report, 64),
		asks:     make(chan *worker),
		leaves:   make(chan *worker),
		answers:  make(chan answer),
		returned: make(chan returned),
	}
}

// NewBody starts taking in the content of a message for Enqueue. The error is ErrFull if there is no room for it.
func (s *Scheduler) NewBody(ctx context.Context) (Body, error) {
	if err := s.opts.Store.Room(ctx); err != nil {
		return nil, err
	}
	return s.opts.Store.NewBody(ctx)
}

// NextID gives the ID for a message that will be enqueued.
func (s *Scheduler) NextID() ID { return s.ids.Next(s.opts.Now()) }

// Enqueue makes a message durable and has it tried as soon as its recipients' NextAttempt says. When it returns nil the
// relay is responsible for the message, whether or not Run is running.
func (s *Scheduler) Enqueue(ctx context.Context, item Item, body Body) error {
	if err := s.opts.Store.Commit(ctx, &Batch{Put: []Put{{item, body}}}); err != nil {
		return err
	}
	s.inbox.put(news{jobs: item.Jobs()})
	return nil
}

// Retry is [RetryNow] on the scheduler's store, and has the jobs tried.
func (s *Scheduler) Retry(ctx context.Context, ids []ID) (Retried, error) {
	return s.retry(ctx, allJobs(ids))
}

// RetryJobs is Retry for single jobs: the other destinations of their messages go on as they are.
func (s *Scheduler) RetryJobs(ctx context.Context, jobs []JobKey) (Retried, error) {
	return s.retry(ctx, jobs)
}

func (s *Scheduler) retry(ctx context.Context, keys []JobKey) (Retried, error) {
	retried, claimed, err := retryNow(ctx, s.opts.Store, s.opts.Owner, keys, s.opts.Now())
	s.inbox.put(news{retried: claimed})
	return retried, err
}

// Reconsider has all jobs that wait for their turn look for their site anew, and no site rests any more: the ways have changed.
func (s *Scheduler) Reconsider() {
	select {
	case s.rethink <- struct{}{}:
	default: // it will come already
	}
}

// Loaded is closed when Run knows all jobs of the store.
func (s *Scheduler) Loaded() <-chan struct{} { return s.loaded }

// Run delivers until ctx ends. Then it starts no new attempts, lets those under way finish within Grace, cancels the rest
// and returns when all have ended; their jobs stay in the store. It must be called once.
func (s *Scheduler) Run(ctx context.Context) error {
	s.inbox.setOpen(true)
	defer s.inbox.setOpen(false)
	attempts, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()

	r := newReady(s.opts.Workers, s.opts.Idle, s.opts.Deliverer.Site)
	if err := s.load(ctx, r); err != nil {
		return err
	}
	close(s.loaded)

	timer := time.NewTimer(0)
	defer timer.Stop()
	clock := s.opts.Now()
	for {
		now := s.opts.Now()
		s.look(r, now, &clock)
		r.take(s.inbox.take())
		for _, w := range r.start(now) {
			s.running.Go(func() { s.work(attempts, w) })
		}
		for at, jobs := range r.restingJobs(stamp(now)) {
			met := setback{*at.why, at.evidence, time.Unix(0, at.resting)}
			s.running.Go(func() { s.returned <- returned{at, s.postpone(attempts, jobs, met)} })
		}
		for _, destination := range r.questions() {
			s.running.Go(func() { s.answers <- answer{destination, s.opts.Deliverer.Resolve(attempts, destination)} })
		}
		if r.full() {
			s.inbox.rest()
		}
		s.tell(r)
		timer.Reset(min(r.sleep(now), maxSleep))
		select {
		case <-ctx.Done():
			return s.drain(r, cancel)
		case <-s.inbox.wake:
		case <-s.rethink:
			r.reconsider(stamp(s.opts.Now()))
		case <-timer.C:
		case e := <-s.reports:
			s.take(r, e)
		case w := <-s.asks:
			r.ahead(w, s.opts.Now())
		case w := <-s.leaves:
			r.leave(w)
		case a := <-s.answers:
			r.answer(a.destination, a.site, stamp(s.opts.Now()))
		case p := <-s.returned:
			p.site.putting = false
			r.add(p.jobs...)
		}
	}
}

// look keeps the hints within bounds when the clock was set, and now and then drops what needs no memory. clock is the time of
// the last look.
func (s *Scheduler) look(r *ready, now time.Time, clock *time.Time) {
	r.bound(now.Add(s.opts.Schedule().longest()))
	switch {
	case now.Before(clock.Add(-maxSleep)):
		s.opts.Log.Warn("clock stepped back", "by", clock.Sub(now))
		r.clamp()
		r.stepBack(stamp(now))
		r.reconsider(stamp(now))
	case now.Truncate(maxSleep).After(*clock):
		r.forget(stamp(now))
	}
	*clock = now
}

// take puts to use what a worker tells.
func (s *Scheduler) take(r *ready, e report) {
	now := s.opts.Now()
	for _, f := range e.ended {
		if !f.next.IsZero() {
			r.add(DueJob{f.job, f.next})
		}
		r.add(f.notices...)
	}
	s.judge(r, e, now)
	if !e.more {
		r.next(e.worker, now)
	}
}

// judge notes what an attempt showed of its site.
func (s *Scheduler) judge(r *ready, e report, now time.Time) {
	at := e.worker.site
	switch e.health {
	case HealthGood:
		if at.pauses > 0 {
			s.opts.Log.Info("site works again", "site", Printable(at.Name), "waiting", at.jobs.len())
		}
		at.awake()
		at.proven = true
		at.window.good(at.Workers)
	case HealthBad:
		if !at.window.bad() || at.resting > stamp(now) {
			return
		}
		pause := at.rest(now, e.why, s.opts.Schedule())
		at.evidence = ofNoAttempt(e.evidence)
		r.atRest[at] = struct{}{}
		s.opts.Log.Warn("site rests", "site", Printable(at.Name), "pause", pause.Round(time.Second).String(),
			"waiting", at.jobs.len(), "cause", e.why.Cause, "reply", Printable(e.why.Reply), "detail", Printable(e.why.Detail))
	}
}

// load reads the jobs of the whole store.
func (s *Scheduler) load(ctx context.Context, r *ready) error {
	const page = 1000 // messages
	for after := ID(0); ; {
		jobs, last, err := s.opts.Store.Jobs(ctx, after, page)
		if err != nil {
			return err
		}
		r.bound(s.opts.Now().Add(s.opts.Schedule().longest()))
		r.add(jobs...)
		if last == 0 {
			return ctx.Err()
		}
		after = last
	}
}

// drain waits for the attempts under way, cancelling them after the grace period.
func (s *Scheduler) drain(r *ready, cancel context.CancelFunc) error {
	s.inbox.setOpen(false)
	late := time.AfterFunc(s.opts.Grace, cancel)
	defer late.Stop()
	r.stop()
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return nil
		case e := <-s.reports:
			if !e.more {
				r.next(e.worker, s.opts.Now())
			}
		case w := <-s.asks:
			r.ahead(w, s.opts.Now())
		case w := <-s.leaves:
			r.leave(w)
		case <-s.answers:
		case <-s.returned:
		}
	}
}
