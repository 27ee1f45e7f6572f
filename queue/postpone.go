package queue

import (
	"context"
	"errors"
	"time"
)

// postponeBatch is how many jobs one commit defers.
const postponeBatch = 200

// setback is what a message met at a site that rests since.
type setback struct {
	why      Outcome
	evidence []Evidence // of no attempt, for other messages
	rested   time.Time  // when the site may be tried again
}

// postpone defers jobs as if each had met what another message met at their site, and gives the hints for them. A message whose
// lifetime is over ends by it if its site was tried since its time had come; otherwise it waits until the site has rested, for
// an attempt of its own.
func (s *Scheduler) postpone(ctx context.Context, jobs []jobRef, met setback) []DueJob {
	var due []DueJob
	for len(jobs) > 0 && ctx.Err() == nil {
		n := min(len(jobs), postponeBatch)
		due = append(due, s.postponePage(ctx, jobs[:n], met)...)
		jobs = jobs[n:]
	}
	return due
}

// postponed is one job of a page.
type postponed struct {
	claimed
	t Transition
}

func (s *Scheduler) postponePage(ctx context.Context, jobs []jobRef, met setback) []DueJob {
	var due []DueJob
	var page []postponed
	batch := &Batch{}
	now := s.opts.Now()
	for _, ref := range jobs {
		c, end, ok := s.claim(ctx, ref.key())
		if !ok {
			if !end.next.IsZero() {
				due = append(due, DueJob{end.job, end.next})
			}
			continue
		}
		schedule := s.opts.Schedule()
		if !now.Before(schedule.end(&c.job.Item, met.why.Cause)) && c.due().After(met.why.End) {
			s.release(context.WithoutCancel(ctx), c.key, c.token)
			due = append(due, DueJob{c.key, met.rested})
			continue
		}
		outcomes := make([]Outcome, len(c.job.Recipients))
		for i := range outcomes {
			outcomes[i] = met.why
		}
		p := postponed{c, Apply(c.job, Report{Outcomes: outcomes, Evidence: met.evidence}, now, schedule)}
		page = append(page, p)
		batch.Update = append(batch.Update, Update{c.key, c.token, p.t.Recipients})
	}
	together := s.commitTogether(ctx, page, batch)
	for _, p := range page {
		log := func() { s.logOutcomes(p.job, p.t, now, "tried", false) }
		if together {
			log()
		} else {
			due = append(due, s.commit(ctx, p.key, p.token, p.t, log)...)
		}
		if next := earliest(p.later, p.t); !next.IsZero() {
			due = append(due, DueJob{p.key, next})
		}
	}
	return due
}

// due is when the time of all recipients had come.
func (c *claimed) due() time.Time {
	var due time.Time
	for _, i := range c.job.Recipients {
		if at := c.job.Item.Recipients[i].NextAttempt; at.After(due) {
			due = at
		}
	}
	return due
}

// commitTogether tries to store a page at once. Where there are notices to write, or a message was deleted meanwhile, each job is
// better off by itself.
func (s *Scheduler) commitTogether(ctx context.Context, page []postponed, batch *Batch) bool {
	for _, p := range page {
		if len(p.t.Notices) > 0 {
			return false
		}
	}
	err := s.opts.Store.Commit(context.WithoutCancel(ctx), batch)
	if err != nil && !errors.Is(err, ErrGone) {
		s.opts.Log.Error("deferrals could not be stored together, trying each", "jobs", len(page), "error", err)
	}
	return err == nil
}
