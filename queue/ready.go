package queue

import (
	"container/heap"
	"container/list"
	"math"
	"time"
)

// ready is the scheduler's state: hints for jobs that wait for their time, for each site the jobs whose time has come, and the
// workers. It is used by one goroutine and reads no clock.
//
// That no job is forgotten rests on one rule: for a job that waits in the store and is due at D there is a hint for D or
// before, or the job stands with its site, or with a destination whose site is being asked for, or somebody has its claim,
// or had it, and owes a hint. Somebody is a worker, a postponement or a Retry.
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

	standing int // jobs whose time has come: with their sites, or with destinations in unknown

	siteOf  func(destination string) (Site, bool)
	unknown map[string]*fifo[jobRef] // destinations whose site is being asked for
	hurried map[string]struct{}      // destinations whose site is to rest no more once it is known
	toAsk   fifo[string]             // those of them for which nobody asks yet
	asking  int

	sites  map[string]*site
	atRest map[*site]struct{}
	turn   fifo[*site] // those that may start a job, each once, served in turn
	paused pausedSites // those that have to wait
	parked fifo[*site] // strangers for which there is no worker, see room

	workers  int        // that there are, the idle ones included
	strange  int        // of them, busy for sites that were not proven when they began
	slow     int        // of them, busy with one job for long: they count as idle, not as strange
	limit    int        // of the busy ones
	keep     int        // limit of the idle ones
	idle     *list.List // of *worker, the longest idle first
	watched  *list.List // of *worker, busy and not slow, the one first that has its job for longest
	stopping bool
}

// maxAsking bounds the destinations whose sites are asked for at once.
const maxAsking = 100

// quantum is how many jobs a worker does before its place goes to another site that waits for one.
const quantum = 50

func newReady(limit, keep int, siteOf func(string) (Site, bool)) *ready {
	return &ready{
		latest: math.MaxInt64, siteOf: siteOf, unknown: make(map[string]*fifo[jobRef]),
		hurried: make(map[string]struct{}), sites: make(map[string]*site), atRest: make(map[*site]struct{}), limit: limit, keep: keep,
		idle: list.New(), watched: list.New(),
	}
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
	r.add(n.retried...)
	r.hurry(n.retried)
	r.spare += len(n.retried)
	if r.spare > minSpare+len(r.waiting)/3 {
		r.waiting.sweep()
		r.spare = 0
	}
}

// maxDue bounds how many jobs start looks at, so that after downtime the first of a million do not wait for the last.
const maxDue = 10_000

// takeDue moves jobs to their sites. Equal hints come one after the other and count once.
func (r *ready) takeDue(now int64) {
	var last hint
	for n := 0; n < maxDue && len(r.waiting) > 0 && r.waiting[0].due <= now; n++ {
		h := r.waiting.pop()
		if h == last {
			continue
		}
		last = h
		destination := h.destination.Value()
		if s, known := r.siteOf(destination); known {
			r.arrive(destination, s.Name)
			r.push(r.site(s, now), h.jobRef, now)
		} else {
			r.ask(destination, h.jobRef)
		}
	}
}

// ask has a job wait until the site of its destination is known.
func (r *ready) ask(destination string, job jobRef) {
	jobs := r.unknown[destination]
	if jobs == nil {
		jobs = &fifo[jobRef]{}
		r.unknown[destination] = jobs
		r.toAsk.push(destination)
	}
	jobs.push(job)
	r.standing++
}

// questions gives destinations whose sites must be asked for now. Each needs an answer.
func (r *ready) questions() []string {
	var destinations []string
	for r.toAsk.len() > 0 && r.asking < maxAsking && !r.stopping {
		destinations = append(destinations, r.toAsk.pop())
		r.asking++
	}
	return destinations
}

// answer brings the jobs of a destination to their site.
func (r *ready) answer(destination string, s Site, now int64) {
	r.asking--
	jobs := r.unknown[destination]
	delete(r.unknown, destination)
	r.arrive(destination, s.Name)
	r.standing -= jobs.len()
	for jobs.len() > 0 {
		r.push(r.site(s, now), jobs.pop(), now)
	}
}

// site gives the state of a site, with what holds for it now.
func (r *ready) site(s Site, now int64) *site {
	known := r.sites[s.Name]
	if known == nil {
		known = &site{window: newWindow(), resting: math.MinInt64, alarm: math.MaxInt64, used: now}
		r.sites[s.Name] = known
	}
	s.Workers = max(s.Workers, 1)
	known.Site = s
	return known
}

func (r *ready) push(s *site, job jobRef, now int64) {
	s.jobs.push(job)
	r.standing++
	r.enqueue(s, now)
}

// enqueue gives the site a turn if it can use one, or notes when it will.
func (r *ready) enqueue(s *site, now int64) {
	switch {
	case s.inTurn || s.jobs.len() == 0 || s.busy >= s.workers():
	case s.wake() <= now:
		s.inTurn = true
		r.turn.push(s)
	case s.wake() < s.alarm:
		s.alarm = s.wake()
		heap.Push(&r.paused, pausedSite{s, s.alarm})
	}
}

// resume gives a turn to the sites whose pause is over.
func (r *ready) resume(now int64) {
	for len(r.paused) > 0 && r.paused[0].wake <= now {
		p := heap.Pop(&r.paused).(pausedSite)
		if p.site.alarm == p.wake {
			p.site.alarm = math.MaxInt64
		}
		r.enqueue(p.site, now)
	}
}

// restingJobs gives the sites at rest that have jobs, and these jobs: they need not be tried. postponed must be told of the end.
func (r *ready) restingJobs(now int64) map[*site][]jobRef {
	var all map[*site][]jobRef
	for s := range r.atRest {
		switch {
		case s.resting <= now:
			delete(r.atRest, s)
			r.enqueue(s, now)
		case s.jobs.len() > 0 && !s.putting:
			if all == nil {
				all = make(map[*site][]jobRef)
			}
			s.putting = true
			r.standing -= s.jobs.len()
			all[s] = s.jobs.all()
		}
	}
	return all
}

// full reports whether no job can start before an attempt ends, or takes long.
func (r *ready) full() bool { return r.inUse() >= r.limit }

// inUse is how many workers count against the limit.
func (r *ready) inUse() int { return r.workers - r.idle.Len() - r.slow }

// sleep is the time until there is something to do that is not brought about by somebody else.
func (r *ready) sleep(now time.Time) time.Duration {
	if r.turn.len() > 0 && !r.full() {
		return 0
	}
	next := int64(math.MaxInt64)
	if len(r.waiting) > 0 {
		next = r.waiting[0].due
	}
	if len(r.paused) > 0 {
		next = min(next, r.paused[0].wake)
	}
	if at, ok := r.nextSlow(); ok {
		next = min(next, at)
	}
	if next == math.MaxInt64 {
		return maxSleep
	}
	return max(time.Unix(0, next).Sub(now), 0)
}

// forget drops sites of which nothing is left to remember.
func (r *ready) forget(now int64) {
	for name, s := range r.sites {
		if !s.inTurn && s.alarm == math.MaxInt64 && s.forgettable(now) {
			delete(r.sites, name)
		}
	}
}

// reconsider has all jobs that are ready look for their site anew, and no site rests any more.
func (r *ready) reconsider(now int64) {
	for _, s := range r.sites {
		r.standing -= s.jobs.len()
		for s.jobs.len() > 0 {
			r.waiting.push(hint{now, s.jobs.pop()})
		}
		s.awake()
		s.bucket = bucket{}
	}
}

// hurry ends the rest of the sites of some jobs, which stand in waiting: somebody wants to see them tried.
func (r *ready) hurry(jobs []DueJob) {
	for _, j := range jobs {
		r.hurried[j.Destination] = struct{}{}
		if at, known := r.siteOf(j.Destination); known {
			r.arrive(j.Destination, at.Name)
		}
	}
}

// arrive ends the rest of a destination's site, which was not known when that was asked for.
func (r *ready) arrive(destination, site string) {
	if _, wanted := r.hurried[destination]; !wanted {
		return
	}
	delete(r.hurried, destination)
	if s := r.sites[site]; s != nil {
		s.resting = math.MinInt64
	}
}

// pausedSites is a heap, the one that wakes first on top. A site may stand in it twice, and wake for nothing.
type pausedSites []pausedSite

type pausedSite struct {
	site *site
	wake int64
}

func (p pausedSites) Len() int           { return len(p) }
func (p pausedSites) Less(i, j int) bool { return p[i].wake < p[j].wake }
func (p pausedSites) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *pausedSites) Push(s any)        { *p = append(*p, s.(pausedSite)) }
func (p *pausedSites) Pop() any {
	s := *p
	last := s[len(s)-1]
	s[len(s)-1] = pausedSite{}
	*p = s[:len(s)-1]
	return last
}
