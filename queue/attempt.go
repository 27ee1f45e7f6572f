package queue

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"time"
)

// finished is the end of a job's turn: when the job is due again (zero: never), and the jobs of the notices it made.
type finished struct {
	job     JobKey
	next    time.Time
	notices []DueJob
}

// report is what a worker tells the scheduler after an attempt.
type report struct {
	worker   *worker
	ended    []finished
	health   Health
	why      Outcome    // with HealthBad
	evidence []Evidence // likewise
	more     bool       // the worker has its next job already
}

// claimed is a job that a worker has in its hands.
type claimed struct {
	key   JobKey
	token Token
	job   Job
	later time.Time // when the recipients that are not in the job are due
}

// work does what the scheduler orders until there is nothing more to do.
func (s *Scheduler) work(ctx context.Context, w *worker) {
	lane := s.opts.Deliverer.Open()
	defer lane.Close()
	for o := <-w.orders; o.ok; o = s.await(w) {
		ended := s.series(ctx, w, lane, o.job)
		s.reports <- ended
	}
}

// await gives the next order. A worker that is idle for long offers to end.
func (s *Scheduler) await(w *worker) order {
	idle := time.NewTimer(s.opts.KeepIdle)
	defer idle.Stop()
	select {
	case o := <-w.orders:
		return o
	case <-idle.C:
	}
	select {
	case s.leaves <- w:
		return <-w.orders
	case o := <-w.orders:
		return o
	}
}

// series makes an attempt for a job, and for the jobs that were taken ahead meanwhile, and reports all but the last.
func (s *Scheduler) series(ctx context.Context, w *worker, lane Lane, key JobKey) report {
	c, end, ok := s.claim(ctx, key)
	if !ok {
		return report{worker: w, ended: []finished{end}}
	}
	for {
		var ahead *claimed
		e := report{worker: w}
		next := func() (Job, bool) {
			if ahead != nil || ctx.Err() != nil {
				return Job{}, false
			}
			s.asks <- w
			o := <-w.orders
			if !o.ok {
				return Job{}, false
			}
			one, end, ok := s.claim(ctx, o.job)
			if !ok {
				e.ended = append(e.ended, end)
				return Job{}, false
			}
			ahead = &one
			return one.job, true
		}
		s.attempt(ctx, lane, c, next, &e)
		if ahead == nil {
			return e
		}
		e.more = true
		s.reports <- e
		c = *ahead
	}
}

// claim takes a job into a worker's hands. When that cannot be, end says when to look at it again; see ready for what becomes of
// a job that is claimed by somebody else.
func (s *Scheduler) claim(ctx context.Context, key JobKey) (c claimed, end finished, ok bool) {
	disk := context.WithoutCancel(ctx) // what an attempt came to is written down, stop or not
	item, token, err := s.opts.Store.Claim(disk, s.opts.Owner, key)
	end.job = key
	if err != nil {
		if !errors.Is(err, ErrGone) && !errors.Is(err, ErrClaimed) {
			s.opts.Log.Error("claim failed", "id", key.ID, "error", err)
			end.next = s.opts.Now().Add(maxSleep)
		}
		return claimed{}, end, false
	}
	job, later := s.due(item, key)
	if len(job.Recipients) == 0 {
		s.release(disk, key, token)
		end.next = later
		return claimed{}, end, false
	}
	return claimed{key, token, job, later}, finished{}, true
}

// attempt has a lane try a job, writes down what came of it, and completes the report.
func (s *Scheduler) attempt(ctx context.Context, lane Lane, c claimed, next func() (Job, bool), e *report) {
	done := lane.Deliver(ctx, c.job, next)
	now := s.opts.Now()
	if e.health = done.Site; done.Site == HealthBad {
		e.why = done.Outcomes[0]
		e.why.End = now
		e.evidence = done.Evidence
	}
	var t Transition
	if ctx.Err() == nil {
		t = Apply(c.job, done, now, s.opts.Schedule())
	} else if t = applyInterrupted(c.job, done, now, s.opts.Schedule()); len(t.Recipients) == 0 {
		s.release(context.WithoutCancel(ctx), c.key, c.token)
		e.ended = append(e.ended, finished{job: c.key})
		return
	}
	notices := s.commit(ctx, c.key, c.token, t, func() { s.logOutcomes(c.job, t, now) })
	e.ended = append(e.ended, finished{c.key, earliest(c.later, t), notices})
}

// earliest is when a job is due again, zero if it is done: at the time later, if there is one, or when the first of its
// recipients that were tried is.
func earliest(later time.Time, t Transition) time.Time {
	for _, u := range t.Recipients {
		if u.Recipient.State == Queued && (later.IsZero() || u.Recipient.NextAttempt.Before(later)) {
			later = u.Recipient.NextAttempt
		}
	}
	return later
}

// due makes the job of those recipients whose time has come; later is when the next of the others is due (zero: none).
// A time further away than any pause was set by a wrong clock and counts as come.
func (s *Scheduler) due(item Item, key JobKey) (job Job, later time.Time) {
	now := s.opts.Now()
	latest := now.Add(s.opts.Schedule().longest())
	job = Job{Item: item, Open: func() (io.ReadCloser, error) {
		body, err := OpenMessage(context.Background(), s.opts.Store, &item)
		if err != nil {
			s.opts.Log.Error("a stored message cannot be read", "id", key.ID, "error", err)
		}
		return body, err
	}}
	for _, i := range item.Pending(key.Destination) {
		r := &item.Recipients[i]
		switch {
		case !r.NextAttempt.After(now), r.NextAttempt.After(latest):
			job.Recipients = append(job.Recipients, i)
			job.Attempt = max(job.Attempt, r.Attempts+1)
		case later.IsZero() || r.NextAttempt.Before(later):
			later = r.NextAttempt
		}
	}
	return job, later
}

func (s *Scheduler) release(ctx context.Context, key JobKey, token Token) {
	if err := s.opts.Store.Release(ctx, key, token); err != nil {
		s.opts.Log.Error("release failed", "id", key.ID, "error", err)
	}
}

// Pauses between tries to write down what happened.
const (
	firstCommitPause = time.Second
	maxCommitPause   = time.Minute
)

// commit makes the transition and its notices durable in one batch, calls done, and gives the notices' jobs. The mail has
// been delivered or refused by now and must not be tried again because a disk failed, so it goes on trying until the relay
// stops.
func (s *Scheduler) commit(ctx context.Context, key JobKey, token Token, t Transition, done func()) []DueJob {
	disk := context.WithoutCancel(ctx)
	for pause := firstCommitPause; ; pause = min(2*pause, maxCommitPause) {
		batch := &Batch{Update: []Update{{key, token, t.Recipients}}}
		err := s.addNotices(disk, batch, t.Notices)
		if err == nil {
			err = s.opts.Store.Commit(disk, batch)
		}
		if err == nil {
			done()
			return s.noticesMade(batch.Put, t.Notices)
		}
		for _, p := range batch.Put {
			p.Body.Discard()
		}
		if errors.Is(err, ErrGone) { // an operator deleted the message meanwhile
			return nil
		}
		s.opts.Log.Error("the result of an attempt could not be stored, trying again", "id", key.ID, "pause", pause, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// addNotices writes the notices' messages into the batch.
func (s *Scheduler) addNotices(ctx context.Context, batch *Batch, notices []Notice) error {
	for _, n := range notices {
		now := s.opts.Now()
		id := s.ids.Next(now)
		text, err := s.compose(ctx, n, id, now)
		if err != nil {
			return err
		}
		body, err := s.opts.Store.NewBody(ctx)
		if err != nil {
			return err
		}
		if _, err := body.Write(text); err != nil {
			body.Discard()
			return err
		}
		batch.Put = append(batch.Put, Put{noticeItem(n, id, now, body.Size(), s.opts.Schedule()), body})
	}
	return nil
}

// compose has the notice written, without the original if that cannot be read.
func (s *Scheduler) compose(ctx context.Context, n Notice, id ID, now time.Time) ([]byte, error) {
	original, err := OpenMessage(ctx, s.opts.Store, &n.Item)
	if err == nil {
		defer original.Close()
		var text []byte
		if text, err = s.opts.Notifier.Compose(n, id, now, original); err == nil {
			return text, nil
		}
	}
	s.opts.Log.Error("notice goes without the original message", "id", n.Item.ID, "error", err)
	return s.opts.Notifier.Compose(n, id, now, bytes.NewReader(nil))
}

// noticeItem is the envelope of a notice: null sender and NOTIFY=NEVER, so that it is never answered (RFC 3461, 6.1 and
// RFC 3464 section 2).
func noticeItem(n Notice, id ID, now time.Time, size int64, schedule Schedule) Item {
	return Item{
		ID: id, Size: size, Arrived: now, Expires: now.Add(schedule.Lifetime),
		RequireTLS: n.Item.RequireTLS, // it has the header of the message (RFC 8689, 5)
		Recipients: []Recipient{{Address: n.Item.Sender, Destination: DestinationOf(n.Item.Sender), NextAttempt: now,
			Notify: NotifyNever}},
	}
}

// noticesMade logs the notices and gives their jobs.
func (s *Scheduler) noticesMade(puts []Put, notices []Notice) []DueJob {
	var jobs []DueJob
	for i, p := range puts {
		s.logNotice(p.Item, notices[i])
		jobs = slices.Concat(jobs, p.Item.Jobs())
	}
	return jobs
}
