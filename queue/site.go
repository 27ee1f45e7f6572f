package queue

import (
	"math"
	"time"
)

// site is what is ready and under way for the destinations of one Site, and what is remembered of it.
type site struct {
	Site
	jobs fifo[jobRef] // ready, oldest first

	busy int       // workers with a job
	idle []*worker // those that keep their lane open for the next job; the last one was busy last
	used int64     // when it was busy last, as a stamp

	proven bool // an attempt went well, and none has shown since that it does not work
	parked bool // it stands in ready.parked

	window   window
	bucket   bucket
	pauses   int        // suspensions since an attempt went well
	resting  int64      // suspended until then, as a stamp
	why      *Outcome   // of the attempt after which it was suspended
	evidence []Evidence // that it saw, of no attempt
	putting  bool       // jobs are being postponed
	inTurn   bool       // it stands in ready.turn
	alarm    int64      // the earliest time for which it stands in ready.paused; math.MaxInt64 if it does not
}

// The bounds of a window, and of the pauses when a site does not work at all.
const (
	firstWindow = 5 // as Postfix's initial_destination_concurrency
	firstRest   = time.Minute
	longestRest = 10 * time.Minute
)

// window is how many workers a site bears. It grows by one with each attempt that goes well, so that it doubles in a round,
// and from where there was trouble before by one a round (RFC 5681 has the idea, Postfix's SCHEDULER_README that it is good
// for mail). Trouble halves it.
type window struct {
	size   float64
	calm   float64 // from here on it grows slowly
	failed int     // attempts with trouble since one went well
}

func newWindow() window { return window{size: firstWindow, calm: math.MaxInt32} }

// good notes that an attempt went well; most is the ceiling.
func (w *window) good(most int) {
	w.failed = 0
	if w.size < w.calm {
		w.size++
	} else {
		w.size += 1 / w.size
	}
	w.size = min(w.size, float64(most))
}

// bad notes trouble, and reports whether there was so much of it in a row that the site should rest.
func (w *window) bad() bool {
	w.failed++
	w.size = max(1, w.size/2)
	w.calm = w.size
	return float64(w.failed) >= w.size
}

// trial is the window of a site that has rested: one worker.
func (w *window) trial() { w.size, w.calm = 1, math.MaxInt32 }

// workers is how many may be busy at once.
func (s *site) workers() int { return max(1, min(int(s.window.size), s.Workers)) }

// ready reports whether a job could start now, leaving open who does it.
func (s *site) ready(now int64) bool {
	return s.jobs.len() > 0 && s.busy < s.workers() && s.wake() <= now
}

// wake is the time before which nothing may start.
func (s *site) wake() int64 { return max(s.resting, s.bucket.next(s.PerMinute)) }

// take gives the oldest job; there must be one.
func (s *site) take(now int64) jobRef {
	s.bucket.take(s.PerMinute, now)
	s.used = now
	return s.jobs.pop()
}

// forgettable reports whether nothing would be lost with the site.
func (s *site) forgettable(now int64) bool {
	return s.jobs.len() == 0 && s.busy == 0 && len(s.idle) == 0 && !s.putting && s.resting <= now && now-s.used > int64(longestRest)
}

// rest suspends the site: what is or comes ready will be deferred, and after a pause one job is tried. Pauses grow, but none is longer than
// a job alone would wait; the spread keeps sites that failed together from coming back together.
func (s *site) rest(now time.Time, why Outcome, schedule Schedule) time.Duration {
	pause := min(firstRest<<min(s.pauses, 10), longestRest, schedule.base(s.pauses+1))
	h := fnv1a(fnvBasis)
	for i := range len(s.Name) {
		h.add(s.Name[i])
	}
	h.add(byte(s.pauses))
	if spread := pause / jitter; spread > 0 {
		pause += time.Duration(uint64(h) % uint64(spread))
	}
	s.pauses++
	s.resting, s.why, s.proven = stamp(now.Add(pause)), &why, false
	s.window.trial()
	return pause
}

// awake ends the rest, and forgets that there was any.
func (s *site) awake() { s.resting, s.why, s.evidence, s.pauses = math.MinInt64, nil, nil, 0 }

// bucket spreads attempts over the minutes: one may start each minute/perMinute, and a tenth of a minute's worth at once after
// a quiet time.
type bucket struct{ due int64 } // when the next would start if all came evenly, as a stamp

func (b *bucket) next(perMinute int) int64 {
	if perMinute <= 0 {
		return math.MinInt64
	}
	return b.due - int64(perMinute/10)*int64(time.Minute)/int64(perMinute)
}

func (b *bucket) take(perMinute int, now int64) {
	if perMinute > 0 {
		b.due = max(b.due, now) + int64(time.Minute)/int64(perMinute)
	}
}
