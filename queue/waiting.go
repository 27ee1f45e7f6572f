package queue

import (
	"cmp"
	"math"
	"slices"
	"time"
	"unique"
)

// jobRef is a JobKey in 16 bytes. The destination is interned: it must not keep alive the item whose string it is part of.
type jobRef struct {
	id          ID
	destination unique.Handle[string]
}

func (j jobRef) key() JobKey { return JobKey{j.id, j.destination.Value()} }

// hint says that a job may be due. There is one for each waiting job, a million of them after a bad day: it takes 24 bytes.
type hint struct {
	due int64 // as stamp gives it
	jobRef
}

func newHint(j DueJob) hint {
	return hint{stamp(j.Due), jobRef{j.ID, unique.Make(j.Destination)}}
}

var (
	firstStamp = time.Unix(0, math.MinInt64)
	lastStamp  = time.Unix(0, math.MaxInt64)
)

// stamp gives t in nanoseconds since 1970. Beyond the years 1678 and 2262 it gives the first and the last there is.
func stamp(t time.Time) int64 {
	switch {
	case t.Before(firstStamp):
		return math.MinInt64
	case t.After(lastStamp):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// compare orders hints by time. Those that are due together come in a fixed order, so that equal ones are neighbours.
func (h *hint) compare(o *hint) int {
	if h.due != o.due {
		return cmp.Compare(h.due, o.due)
	}
	return h.jobRef.compare(&o.jobRef)
}

func (j *jobRef) compare(o *jobRef) int {
	if j.id != o.id || j.destination == o.destination {
		return cmp.Compare(j.id, o.id)
	}
	return cmp.Compare(j.destination.Value(), o.destination.Value())
}

// waiting is a binary heap of hints, the earliest first. It is typed and by value: container/heap would allocate each hint.
type waiting []hint

// waitingSpare is how much room a heap keeps for the next hints.
const waitingSpare = 1024

func (w *waiting) push(h hint) {
	*w = append(*w, h)
	s := *w
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s[parent].compare(&h) <= 0 {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = h
}

// pop takes the earliest hint out; there must be one.
func (w *waiting) pop() hint {
	s := *w
	first, last := s[0], s[len(s)-1]
	s[len(s)-1] = hint{}
	s = s[:len(s)-1]
	if len(s) > 0 {
		s.down(0, last)
	}
	*w = trimmed(s, waitingSpare)
	return first
}

// down puts h into the hole at i, or below it where it belongs.
func (w waiting) down(i int, h hint) {
	for {
		child := 2*i + 1
		if child >= len(w) {
			break
		}
		if right := child + 1; right < len(w) && w[right].compare(&w[child]) < 0 {
			child = right
		}
		if h.compare(&w[child]) <= 0 {
			break
		}
		w[i] = w[child]
		i = child
	}
	w[i] = h
}

// order makes a heap of hints in any order.
func (w waiting) order() {
	for i := len(w)/2 - 1; i >= 0; i-- {
		w.down(i, w[i])
	}
}

// clamp brings hints forward that are later than latest.
func (w waiting) clamp(latest int64) {
	for i := range w {
		w[i].due = min(w[i].due, latest)
	}
	w.order()
}

// sweep leaves one hint for each job, the earliest.
func (w *waiting) sweep() {
	slices.SortFunc(*w, func(a, b hint) int {
		if c := a.jobRef.compare(&b.jobRef); c != 0 {
			return c
		}
		return cmp.Compare(a.due, b.due)
	})
	*w = slices.CompactFunc(*w, func(a, b hint) bool { return a.jobRef == b.jobRef })
	*w = trimmed(*w, waitingSpare)
	w.order()
}
