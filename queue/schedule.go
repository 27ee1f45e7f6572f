package queue

import "time"

// Schedule says when to try again and when to stop.
type Schedule struct {
	Retry       []time.Duration // pause after the first attempt, the second, ...; the last one repeats; none: an hour
	Lifetime    time.Duration   // of a message, counted from its arrival
	DelayNotice time.Duration   // the first failed attempt at this age tells the sender; 0: none does

	// DelayNoticeProven stands for DelayNotice where a probe agrees that TLS is the cause, and an attempt is made at just that
	// age; 0: it is as with all other mail. Where DelayNotice is 0 nobody is told at all.
	DelayNoticeProven time.Duration

	// LifetimeByCause has causes, by their keys, for which mail is given up sooner.
	LifetimeByCause map[string]time.Duration
}

// end is when an item's lifetime ends for a recipient that is deferred for a cause.
func (s *Schedule) end(it *Item, cause string) time.Time {
	if lifetime, ok := s.LifetimeByCause[cause]; ok {
		if end := it.Arrived.Add(lifetime); end.Before(it.Expires) {
			return end
		}
	}
	return it.Expires
}

// Ends is when an item's lifetime ends for the first of its recipients that wait, as things stand.
func (s *Schedule) Ends(it *Item) time.Time {
	ends := it.Expires
	for i := range it.Recipients {
		if r := &it.Recipients[i]; !r.State.Done() {
			if end := s.end(it, r.Last.Cause); end.Before(ends) {
				ends = end
			}
		}
	}
	return ends
}

// next is when to try again a recipient that was deferred at now. pause is the time that the job would wait by itself.
func (s *Schedule) next(it *Item, r *Recipient, now time.Time, pause time.Duration) time.Time {
	next := nextAttempt(now, s.end(it, r.Last.Cause), pause)
	if s.awaitsProof(it, r) {
		if told := it.Arrived.Add(s.DelayNoticeProven); told.After(now) && told.Before(next) {
			return told
		}
	}
	return next
}

// nextAttempt is a pause from now, or the end of the lifetime if that would be the attempt after it and comes soon.
func nextAttempt(now, expires time.Time, pause time.Duration) time.Time {
	next := now.Add(pause)
	if now.Before(expires) && next.Add(pause/2).After(expires) {
		return expires
	}
	return next
}

// tellsDelay reports whether the attempt at now, which was deferred, makes a delay notice for the recipient: one at most is made.
func (s *Schedule) tellsDelay(it *Item, r *Recipient, now time.Time) bool {
	age := now.Sub(it.Arrived)
	return s.mayTellDelay(r) && age >= s.DelayNotice || s.awaitsProof(it, r) && r.Attempts >= 2 && age >= s.DelayNoticeProven
}

// awaitsProof reports whether the sender is to hear early that TLS is proven to be the cause.
func (s *Schedule) awaitsProof(it *Item, r *Recipient) bool {
	return s.mayTellDelay(r) && s.DelayNoticeProven > 0 && r.Last.TLS.Proven && it.Sender != ""
}

func (s *Schedule) mayTellDelay(r *Recipient) bool {
	return s.DelayNotice > 0 && !r.DelayTold && r.Notify.wants(NotifyDelay)
}

// jitter spreads retries over a fifth of the pause, half before and half behind it, so that messages which failed together
// do not come back together.
const jitter = 5

// Pause is the time to wait after the given attempt (1 is the first). The same job and attempt give the same pause.
func (s Schedule) Pause(job JobKey, attempt int) time.Duration {
	base := s.base(attempt)
	spread := base / jitter
	if spread <= 0 {
		return base
	}
	h := fnv1a(fnvBasis)
	for i := range len(job.Destination) {
		h.add(job.Destination[i])
	}
	h.add(byte(attempt))
	h.add(byte(attempt >> 8))
	for shift := 0; shift < 64; shift += 8 {
		h.add(byte(job.ID >> shift))
	}
	return base - spread/2 + time.Duration(uint64(h)%uint64(spread))
}

// base is the pause without its jitter.
func (s Schedule) base(attempt int) time.Duration {
	if len(s.Retry) == 0 {
		return time.Hour
	}
	return s.Retry[min(max(attempt, 1), len(s.Retry))-1]
}

// fnv1a is the 64-bit FNV-1a hash. That of the standard library may allocate, for each attempt of a million messages.
type fnv1a uint64

const (
	fnvBasis = 14695981039346656037
	fnvPrime = 1099511628211
)

func (h *fnv1a) add(b byte) { *h = (*h ^ fnv1a(b)) * fnvPrime }

// longest is more than any pause there is, jitter and a last one up to the end of the lifetime included: what is due later
// than that after now was set by a clock that was wrong.
func (s Schedule) longest() time.Duration {
	longest := time.Hour
	for _, d := range s.Retry {
		longest = max(longest, d)
	}
	return 2 * longest
}
