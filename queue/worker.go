package queue

import (
	"container/list"
	"time"
)

// worker makes attempts at one site, one after the other, on a lane of its own. The scheduler's goroutine has all of it but the
// orders.
type worker struct {
	site    *site
	orders  chan order // of one place: nobody waits to give one
	isNew   bool       // its goroutine has not begun
	strange bool       // it counts in ready.strange
	slow    bool       // it counts in ready.slow
	since   int64      // it has its job since then, as a stamp
	done    int        // jobs since it began or was idle
	idle    *list.Element
	watched *list.Element
}

// order is the answer to a worker that wants a job. Without one, it ends, or, when it asked for one ahead, goes on with what it has.
type order struct {
	job JobKey
	ok  bool
}

// start gives jobs to workers, and returns those workers that are new, each with its first order.
func (r *ready) start(now time.Time) []*worker {
	at := stamp(now)
	r.takeDue(at)
	r.resume(at)
	r.setAside(at)
	var begun []*worker
	for r.turn.len() > 0 && !r.full() && !r.stopping {
		s := r.turn.pop()
		switch {
		case !s.ready(at):
			s.inTurn = false
			r.enqueue(s, at)
			r.unpark()
		case r.room(s):
			s.inTurn = false
			w := r.workerFor(s)
			r.give(w, at)
			if w.isNew {
				w.isNew = false
				begun = append(begun, w)
			}
			r.enqueue(s, at)
		case s.busy > 0:
			s.inTurn = false // it comes again when its worker is done
		default:
			s.parked = true
			r.parked.push(s)
		}
	}
	return begun
}

// room reports whether a site may have one more worker. Strangers, sites at which nothing went well yet, share half of all
// workers, and few have more than one: a hundred hosts that keep each connection waiting leave room for the rest.
func (r *ready) room(s *site) bool {
	if s.busy > 0 {
		return s.proven || r.strange+r.slow < max(1, r.limit/8)
	}
	return s.proven || r.strange < max(1, r.limit/2)
}

// unpark gives a turn to the stranger that waits longest.
func (r *ready) unpark() {
	for r.parked.len() > 0 {
		if s := r.parked.pop(); s.parked {
			s.parked = false
			r.turn.push(s)
			return
		}
	}
}

// workerFor gives an idle worker of the site, or a new one.
func (r *ready) workerFor(s *site) *worker {
	if n := len(s.idle); n > 0 {
		w := s.idle[n-1]
		r.unidle(w)
		return w
	}
	r.workers++
	return &worker{site: s, orders: make(chan order, 1), isNew: true}
}

// give has a worker do the oldest job of its site.
func (r *ready) give(w *worker, now int64) {
	if !w.site.proven {
		w.strange = true
		r.strange++
	}
	r.watch(w, now)
	w.site.busy++
	w.done++
	w.orders <- order{r.takeOf(w.site, now).key(), true}
}

// takeOf gives the oldest job of a site; there must be one.
func (r *ready) takeOf(s *site, now int64) jobRef {
	r.standing--
	return s.take(now)
}

// ahead gives a busy worker one more job, which it does after the one that it has. It is asked where the wire would be idle
// otherwise.
func (r *ready) ahead(w *worker, now time.Time) {
	s, at := w.site, stamp(now)
	if s.jobs.len() == 0 || s.wake() > at || r.stopping || w.slow || r.yields(w) {
		w.orders <- order{}
		return
	}
	r.watch(w, at)
	w.done++
	w.orders <- order{r.takeOf(s, at).key(), true}
	r.enqueue(s, at)
}

// yields reports whether the worker has done its share while other sites wait.
func (r *ready) yields(w *worker) bool {
	return w.done >= quantum && r.turn.len() > 0 && r.full()
}

// next gives a worker, whose attempt has ended, something to do, or has it wait for that, or ends it.
func (r *ready) next(w *worker, now time.Time) {
	s, at := w.site, stamp(now)
	s.busy--
	s.used = at
	r.unwatch(w)
	if s.parked && s.proven {
		s.parked = false
		r.turn.push(s)
	}
	switch {
	case r.stopping || s.busy+len(s.idle) >= s.workers() || s.resting > at:
		r.end(w)
	case s.ready(at) && r.room(s) && !r.yields(w) && r.inUse() <= r.limit: // more if it was slow, and has lost its place
		r.give(w, at)
	default:
		r.rest(w)
	}
	r.enqueue(s, at)
}

// rest makes a worker idle, for which the one that is idle for the longest time may have to go.
func (r *ready) rest(w *worker) {
	w.done = 0
	w.idle = r.idle.PushBack(w)
	w.site.idle = append(w.site.idle, w)
	r.fewerIdle()
}

// fewerIdle ends idle workers while there are too many, with those that count as idle.
func (r *ready) fewerIdle() {
	for r.idle.Len() > 0 && r.idle.Len()+r.slow > r.keep {
		r.dismiss(r.idle.Front().Value.(*worker))
	}
}

// leave ends an idle worker. One that got an order meanwhile stays.
func (r *ready) leave(w *worker) {
	if w.idle != nil {
		r.dismiss(w)
	}
}

// dismiss ends a worker that is idle.
func (r *ready) dismiss(w *worker) {
	r.unidle(w)
	r.end(w)
}

func (r *ready) end(w *worker) {
	r.workers--
	w.orders <- order{}
}

func (r *ready) unidle(w *worker) {
	r.idle.Remove(w.idle)
	w.idle = nil
	idle := w.site.idle
	for i := range idle {
		if idle[i] == w {
			w.site.idle = append(idle[:i], idle[i+1:]...)
			idle[len(idle)-1] = nil
			return
		}
	}
}

// stop ends all idle workers, and from now on each other one when its attempt has ended.
func (r *ready) stop() {
	r.stopping = true
	for r.idle.Len() > 0 {
		r.dismiss(r.idle.Front().Value.(*worker))
	}
}
