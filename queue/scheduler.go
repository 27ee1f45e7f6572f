package queue

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Notifier writes the text of a notice (a whole message, RFC 3464). original is the message it is about, empty if it cannot
// be read any more.
type Notifier interface {
	Compose(n Notice, id ID, now time.Time, original io.Reader) ([]byte, error)
}

// SchedulerOptions says what a Scheduler works with. All fields but Grace and Site are needed.
type SchedulerOptions struct {
	Store     Store
	Deliverer Deliverer
	Notifier  Notifier
	Schedule  func() Schedule // asked at each use: it may change while the scheduler runs

	Attempts        int                             // attempts under way at once
	AttemptsPerSite int                             // likewise, for one site
	Site            func(destination string) string // destinations whose mail goes the same way share a site; nil: each has its own
	Grace           time.Duration                   // how long attempts under way may go on when Run's context ends

	Owner string // names this relay in claims
	Now   func() time.Time
	Log   *slog.Logger
}

// Scheduler decides which job is tried when. One goroutine (Run) owns all its state; attempts run in goroutines of their
// own and come back over a channel.
//
// What it keeps in memory are hints: "this job may be due at that time". The store's word at the moment of the claim
// decides, so a hint that is double or outdated does no harm. The rule by which no job is without one stands at ready.
type Scheduler struct {
	opts SchedulerOptions
	ids  IDSource

	inbox    *inbox        // jobs to look at, from outside
	finished chan finished // attempts that ended
	loaded   chan struct{} // closed when all of the store's jobs are known

	attempts sync.WaitGroup
}

// finished is the end of an attempt: when the job is due again (zero: never), and the jobs of the notices it made.
type finished struct {
	job     JobKey
	site    string
	next    time.Time
	notices []DueJob
}

// maxSleep bounds how long the scheduler waits without looking at the clock, which may have been set meanwhile.
const maxSleep = time.Minute

// NewScheduler prepares a scheduler; Run makes it work.
func NewScheduler(o SchedulerOptions) *Scheduler {
	now := o.Now
	o.Now = func() time.Time { return now().Round(0) } // the wall clock alone: that is what the store keeps, and what may step
	if o.Site == nil {
		o.Site = func(destination string) string { return destination }
	}
	return &Scheduler{
		opts:     o,
		inbox:    newInbox(),
		finished: make(chan finished, 64),
		loaded:   make(chan struct{}),
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
	retried, claimed, err := retryNow(ctx, s.opts.Store, s.opts.Owner, ids, s.opts.Now())
	s.inbox.put(news{claimed, len(claimed)})
	return retried, err
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

	r := newReady(s.opts.Attempts, s.opts.AttemptsPerSite, s.opts.Site)
	if err := s.load(ctx, r); err != nil {
		return err
	}
	close(s.loaded)

	timer := time.NewTimer(0)
	defer timer.Stop()
	last := s.opts.Now()
	for {
		now := s.opts.Now()
		r.bound(now.Add(s.opts.Schedule().longest()))
		if now.Before(last.Add(-maxSleep)) {
			s.opts.Log.Warn("clock stepped back", "by", last.Sub(now))
			r.clamp()
		}
		last = now
		r.take(s.inbox.take())
		for _, job := range r.start(now) {
			s.attempts.Go(func() {
				f := s.attempt(attempts, job.JobKey)
				f.site = job.site
				s.finished <- f
			})
		}
		if r.full() {
			s.inbox.rest()
		}
		timer.Reset(min(r.sleep(now), maxSleep))
		select {
		case <-ctx.Done():
			return s.drain(r, cancel)
		case <-s.inbox.wake:
		case f := <-s.finished:
			r.end(f)
		case <-timer.C:
		}
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
	for r.active > 0 {
		r.end(<-s.finished)
	}
	s.attempts.Wait()
	return nil
}
