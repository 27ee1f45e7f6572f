package queue

import (
	"math"
	"time"
)

// ready is the scheduler's state: hints for jobs that wait for their time, and for each site the jobs whose time has come. It
// is used by one goroutine and reads no clock.
//
// That no job is forgotten rests on one rule: for a job that waits in the store and is due at D there is a hint for D or
// before, or the job stands with its site, or somebody has its claim, or had it, and owes a hint.
//   - Who sets D (Enqueue, an attempt, the making of a notice, Retry) hands in a hint for D after the commit. A start opens
//     the door for hints before it reads the store, so that what it does not read comes that way.
//   - A hint whose job is not due is put back for the D that the store says. It must not be dropped for being early: so are a
//     clamped one and the one that a sweep left, and there may be no other.
//   - A hint whose job is claimed is dropped. The holder owes one when the claim has ended: an attempt by finished.next,
//     Retry for all jobs that it claimed, whether it changed them or not.
//   - A claim that failed owes a hint for a minute later, the only one that may be behind D.
//   - To clamp makes hints earlier; of several for one job a sweep leaves the earliest.
//
// So a hint ends only with its job or where another is sure to come, and an attempt leaves no more hints than it took. Only
// Retry adds one to a job that may have one. Such a spare hint is put back for the same D as the other and merges with it
// (takeDue, or at the claim), and is swept away before there are too many (take).
type ready struct {
	waiting waiting
	spare   int   // hints that came by again since the last sweep
	latest  int64 // no hint is later
	sites   map[string]*site
	turn    fifo[*site] // those that may start a job, each once, served in turn
	active  int

	limit, limitEach int
	siteOf           func(destination string) string
}

// site is what is ready and under way for destinations whose mail goes the same way. It exists only while there is
// something.
type site struct {
	name   string
	jobs   fifo[jobRef] // ready, oldest first
	active int
	queued bool // it stands in ready.turn
}

// siteJob is a job that starts, with the site that it counts for until it ends.
type siteJob struct {
	JobKey
	site string
}

func newReady(limit, limitEach int, siteOf func(string) string) *ready {
	return &ready{sites: make(map[string]*site), latest: math.MaxInt64, limit: limit, limitEach: limitEach, siteOf: siteOf}
}

// bound sets the latest time of hints from now on: what is due later was set by a clock that was wrong.
func (r *ready) bound(latest time.Time) { r.latest = stamp(latest) }

// clamp brings the hints there are within the bound.
func (r *ready) clamp() { r.waiting.clamp(r.latest) }

// add takes in jobs.
func (r *ready) add(jobs ...DueJob) {
	for _, j := range jobs {
		h := newHint(j)
		h.due = min(h.due, r.latest)
		r.waiting.push(h)
	}
}

// minSpare is how many hints too many are not worth a sweep.
const minSpare = 1000

// take takes in jobs from outside, and sweeps when there may be too many hints.
func (r *ready) take(n news) {
	r.add(n.jobs...)
	r.spare += n.again
	if r.spare > minSpare+len(r.waiting)/3 {
		r.waiting.sweep()
		r.spare = 0
	}
}

// maxDue bounds how many jobs start looks at, so that after downtime the first of a million do not wait for the last.
const maxDue = 10_000

// start gives the jobs to start now, and counts them as active.
func (r *ready) start(now time.Time) []siteJob {
	r.takeDue(stamp(now))
	var jobs []siteJob
	for r.turn.len() > 0 && !r.full() {
		s := r.turn.pop()
		s.queued = false
		jobs = append(jobs, siteJob{s.jobs.pop().key(), s.name})
		s.active++
		r.active++
		r.enqueue(s)
	}
	return jobs
}

// takeDue moves jobs to their sites. Equal hints come one after the other and count once.
func (r *ready) takeDue(now int64) {
	var last hint
	for n := 0; n < maxDue && len(r.waiting) > 0 && r.waiting[0].due <= now; n++ {
		h := r.waiting.pop()
		if h == last {
			continue
		}
		last = h
		s := r.site(r.siteOf(h.destination.Value()))
		s.jobs.push(h.jobRef)
		r.enqueue(s)
	}
}

func (r *ready) site(name string) *site {
	s := r.sites[name]
	if s == nil {
		s = &site{name: name}
		r.sites[name] = s
	}
	return s
}

// enqueue gives the site a turn if it can use one.
func (r *ready) enqueue(s *site) {
	if !s.queued && s.jobs.len() > 0 && s.active < r.limitEach {
		s.queued = true
		r.turn.push(s)
	}
}

// end counts an attempt as over and takes in what follows from it.
func (r *ready) end(f finished) {
	s := r.sites[f.site]
	s.active--
	r.active--
	if s.active == 0 && s.jobs.len() == 0 {
		delete(r.sites, s.name)
	} else {
		r.enqueue(s)
	}
	if !f.next.IsZero() {
		r.add(DueJob{f.job, f.next})
	}
	r.add(f.notices...)
}

// full reports whether nothing more can start before an attempt ends.
func (r *ready) full() bool { return r.active >= r.limit }

// sleep is the time until the next job is due, if a job could start then.
func (r *ready) sleep(now time.Time) time.Duration {
	if len(r.waiting) == 0 {
		return maxSleep
	}
	return max(time.Unix(0, r.waiting[0].due).Sub(now), 0)
}
