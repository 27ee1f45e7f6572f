package queue

import (
	"container/heap"
	"time"
)

// ready is the scheduler's state: jobs that wait for their time, and for each site those whose time has come. It is used by
// one goroutine and reads no clock.
type ready struct {
	waiting waiting
	due     map[JobKey]time.Time // of the jobs in waiting: only the hint with this time counts
	sites   map[string]*site
	turn    []*site // those that may start a job, each once, served in turn
	active  int

	limit, limitEach int
	siteOf           func(destination string) string
}

// site is what is ready and under way for destinations whose mail goes the same way. It exists only while there is
// something.
type site struct {
	name   string
	jobs   []JobKey // ready, oldest first
	active int
	queued bool // it stands in ready.turn
}

// siteJob is a job that starts, with the site that it counts for until it ends.
type siteJob struct {
	JobKey
	site string
}

func newReady(limit, limitEach int, siteOf func(string) string) *ready {
	return &ready{
		due: make(map[JobKey]time.Time), sites: make(map[string]*site),
		limit: limit, limitEach: limitEach, siteOf: siteOf,
	}
}

// add takes hints in. Of several for one job the earliest counts.
func (r *ready) add(hints ...hint) {
	for _, h := range hints {
		if due, known := r.due[h.job]; known && !h.due.Before(due) {
			continue
		}
		r.due[h.job] = h.due
		heap.Push(&r.waiting, h)
	}
}

// start gives the jobs to start now, and counts them as active.
func (r *ready) start(now time.Time) []siteJob {
	for len(r.waiting) > 0 && !r.waiting[0].due.After(now) {
		h := heap.Pop(&r.waiting).(hint)
		if due, known := r.due[h.job]; !known || !due.Equal(h.due) {
			continue // an earlier hint took its place
		}
		delete(r.due, h.job)
		s := r.site(r.siteOf(h.job.Destination))
		s.jobs = append(s.jobs, h.job)
		r.enqueue(s)
	}
	var jobs []siteJob
	for len(r.turn) > 0 && r.active < r.limit {
		s := r.turn[0]
		r.turn = r.turn[1:]
		s.queued = false
		jobs = append(jobs, siteJob{s.jobs[0], s.name})
		s.jobs = s.jobs[1:]
		s.active++
		r.active++
		r.enqueue(s)
	}
	return jobs
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
	if !s.queued && len(s.jobs) > 0 && s.active < r.limitEach {
		s.queued = true
		r.turn = append(r.turn, s)
	}
}

// end counts an attempt as over and takes in what follows from it.
func (r *ready) end(f finished) {
	s := r.sites[f.site]
	s.active--
	r.active--
	if s.active == 0 && len(s.jobs) == 0 {
		delete(r.sites, s.name)
	} else {
		r.enqueue(s)
	}
	if !f.next.IsZero() {
		r.add(hint{f.job, f.next})
	}
	r.add(f.notices...)
}

// sleep is the time until the next job is due, if a job could start then.
func (r *ready) sleep(now time.Time) time.Duration {
	if len(r.waiting) == 0 {
		return maxSleep
	}
	return max(r.waiting[0].due.Sub(now), 0)
}

// clamp brings jobs forward that are due later than latest.
func (r *ready) clamp(latest time.Time) {
	for job, due := range r.due {
		if due.After(latest) {
			r.add(hint{job, latest})
		}
	}
}

// waiting is a heap of hints, the earliest first.
type waiting []hint

func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].due.Before(w[j].due) }
func (w waiting) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(x any)        { *w = append(*w, x.(hint)) }
func (w *waiting) Pop() any {
	old := *w
	h := old[len(old)-1]
	*w = old[:len(old)-1]
	return h
}
