package queue

import "time"

// patience is how long a worker may be busy with one job before it counts as one that waits, as the idle ones do.
const patience = time.Minute

// watch notes that a worker begins a job.
func (r *ready) watch(w *worker, now int64) {
	w.since = now
	if w.watched != nil {
		r.watched.MoveToBack(w.watched)
	} else {
		w.watched = r.watched.PushBack(w)
	}
}

// stepBack is told that the clock was set back to now: jobs that began later, by the old clock, began now.
func (r *ready) stepBack(now int64) {
	for e := r.watched.Front(); e != nil; e = e.Next() {
		w := e.Value.(*worker)
		w.since = min(w.since, now)
	}
}

// unwatch notes that a worker is done.
func (r *ready) unwatch(w *worker) {
	switch {
	case w.watched != nil:
		r.watched.Remove(w.watched)
		w.watched = nil
	case w.slow:
		w.slow = false
		r.slow--
	}
	r.notStrange(w)
}

// setAside counts workers among the idle ones, as long as there may be so many, that need too long for one job: remote hosts that are slow
// on purpose, or large messages. Each costs no more than an idle one, and others start in its place.
func (r *ready) setAside(now int64) {
	for r.slow < r.keep && r.watched.Len() > 0 {
		w := r.watched.Front().Value.(*worker)
		if w.since+int64(patience) > now {
			return
		}
		r.unwatch(w)
		w.slow = true
		r.slow++
		r.fewerIdle()
	}
}

// nextSlow is when the next worker is to be set aside, if that may be of use: while there is no place, new mail wakes nobody.
func (r *ready) nextSlow() (at int64, ok bool) {
	if r.slow >= r.keep || r.watched.Len() == 0 || !r.full() && r.parked.len() == 0 {
		return 0, false
	}
	return r.watched.Front().Value.(*worker).since + int64(patience), true
}

// notStrange has a worker count no longer among those of strangers, so that another stranger may have one.
func (r *ready) notStrange(w *worker) {
	if w.strange {
		w.strange = false
		r.strange--
		r.unpark()
	}
}
