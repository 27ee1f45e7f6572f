package tenant

import "time"

// window counts what happened within a span of time that moves along with the clock. It keeps one number for each slot
// of that span, and one slot more: so it never forgets too early, but up to a slot too late.
type window struct {
	width time.Duration // of a slot, whole seconds
	at    int64         // number of the newest slot, counted from 1970
	slots []uint32      // the newest first
}

// The windows of a tenant.
func newHour() window { return window{width: 5 * time.Minute, slots: make([]uint32, 12+1)} }
func newDay() window  { return window{width: time.Hour, slots: make([]uint32, 24+1)} }

// move brings the window to now. A clock that is set back takes the counts along: nothing is forgotten, and nothing
// stays for longer than the span.
func (w *window) move(now time.Time) {
	at := now.Unix() / int64(w.width/time.Second)
	switch passed := at - w.at; {
	case passed >= int64(len(w.slots)):
		clear(w.slots)
	case passed > 0:
		copy(w.slots[passed:], w.slots)
		clear(w.slots[:passed])
	}
	w.at = at
}

func (w *window) add(now time.Time, n int) {
	w.move(now)
	w.slots[0] += uint32(n)
}

func (w *window) sum(now time.Time) int {
	w.move(now)
	total := 0
	for _, n := range w.slots {
		total += int(n)
	}
	return total
}

// held is how long a place may be held by a transaction that others wait for: a guess, to tell them when to come back.
const held = time.Minute

// room tells when there is room for one more under limit, beside what is counted and others that may be: the zero time
// if there is now. A limit of 0 is none.
func (w *window) room(now time.Time, others, limit int) time.Time {
	total := w.sum(now) + others
	if limit == 0 || total < limit {
		return time.Time{}
	}
	for i := len(w.slots) - 1; i >= 0; i-- {
		if total -= int(w.slots[i]); total < limit {
			return w.forgets(i)
		}
	}
	return now.Add(held)
}

// forgets tells when a slot leaves the window.
func (w *window) forgets(slot int) time.Time {
	return time.Unix((w.at+int64(len(w.slots)-slot))*int64(w.width/time.Second), 0)
}
