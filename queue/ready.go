package queue

import (
	"container/heap"
	"time"
)

// ready is the scheduler's state: jobs that wait for their time, and for each destination those whose time has come. It
// is used by one goroutine and reads no clock.
type ready struct {
	waiting      waiting
	destinations map[string]*destination
	turn         []*destination // those that may start a job, each once, served in turn
	active       int

	limit, limitEach int
}

// destination is what is ready and under way for one domain. It exists only while there is something.
type destination struct {
	name   string
	jobs   []JobKey // ready, oldest first
	active int
	queued bool // it stands in ready.turn
}

func newReady(limit, limitEach int) *ready {
	return &ready{destinations: make(map[string]*destination), limit: limit, limitEach: limitEach}
}

// add takes hints in.
func (r *ready) add(hints ...hint) {
	for _, h := range hints {
		heap.Push(&r.waiting, h)
	}
}

// start gives the jobs to start now, and counts them as active.
func (r *ready) start(now time.Time) []JobKey {
	for len(r.waiting) > 0 && !r.waiting[0].due.After(now) {
		h := heap.Pop(&r.waiting).(hint)
		d := r.destinations[h.job.Destination]
		if d == nil {
			d = &destination{name: h.job.Destination}
			r.destinations[d.name] = d
		}
		d.jobs = append(d.jobs, h.job)
		r.enqueue(d)
	}
	var jobs []JobKey
	for len(r.turn) > 0 && r.active < r.limit {
		d := r.turn[0]
		r.turn = r.turn[1:]
		d.queued = false
		jobs = append(jobs, d.jobs[0])
		d.jobs = d.jobs[1:]
		d.active++
		r.active++
		r.enqueue(d)
	}
	return jobs
}

// enqueue gives the destination a turn if it can use one.
func (r *ready) enqueue(d *destination) {
	if !d.queued && len(d.jobs) > 0 && d.active < r.limitEach {
		d.queued = true
		r.turn = append(r.turn, d)
	}
}

// end counts an attempt as over and takes in what follows from it.
func (r *ready) end(f finished) {
	d := r.destinations[f.job.Destination]
	d.active--
	r.active--
	if d.active == 0 && len(d.jobs) == 0 {
		delete(r.destinations, d.name)
	} else {
		r.enqueue(d)
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
	for i := range r.waiting {
		if r.waiting[i].due.After(latest) {
			r.waiting[i].due = latest
		}
	}
	heap.Init(&r.waiting)
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
