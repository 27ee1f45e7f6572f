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
	r.known(w)
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

// nextSlow is when the next worker is to be set aside, if that would be of use to somebody.
func (r *ready) nextSlow() (at int64, ok bool) {
	if r.slow >= r.keep || r.watched.Len() == 0 || r.turn.len() == 0 && r.parked.len() == 0 {
		return 0, false
	}
	return r.watched.Front().Value.(*worker).since + int64(patience), true
}

// known notes that a worker is none any more of those that a stranger keeps busy.
func (r *ready) known(w *worker) {
	if w.strange {
		w.strange = false
		r.strange--
		r.unpark()
	}
}
