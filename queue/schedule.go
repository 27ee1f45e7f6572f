package queue

import "time"

// Schedule says when to try again and when to stop.
type Schedule struct {
	Retry       []time.Duration // pause after the first attempt, the second, ...; the last one repeats; none: an hour
	Lifetime    time.Duration   // of a message, counted from its arrival
	DelayNotice time.Duration   // the first failed attempt at this age tells the sender; 0: none does
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
