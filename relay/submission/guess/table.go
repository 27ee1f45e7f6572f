package guess

import "time"

const (
	maxEntries = 50_000         // of a table; each takes some 150 bytes
	sample     = 16             // entries looked at to find one that may go
	memory     = 24 * time.Hour // how long an earlier block makes the next one longer
)

// rule is when failures begin a block.
type rule struct {
	limit          float64       // as many failures within the time forget begin one
	forget         time.Duration // one failure is forgotten in this time
	block, longest time.Duration // each block is twice as long as the one before
}

// entry is what is known of one key.
type entry struct {
	failures float64 // at the time last, less those forgotten by then
	last     time.Time
	until    time.Time // end of the latest block
	blocks   int       // one after the other
}

// table has the entries of one scope. When it is full, the entry that has been quiet longest makes room, of a few.
type table[K comparable] struct {
	rule    rule
	entries map[K]*entry
}

func newTable[K comparable](r rule) table[K] { return table[K]{r, map[K]*entry{}} }

func (t *table[K]) has(k K) bool { return t.entries[k] != nil }

func (t *table[K]) drop(k K) { delete(t.entries, k) }

// blocked gives the end of the block that holds for k now, or zero.
func (t *table[K]) blocked(k K, now time.Time) time.Time {
	if e := t.entries[k]; e != nil && now.Before(e.until) {
		return e.until
	}
	return time.Time{}
}

// fail counts a failure. It gives how many there are that are not forgotten, and the end of the block that this one
// began, or zero.
func (t *table[K]) fail(k K, now time.Time) (failures float64, until time.Time) {
	e := t.entry(k, now)
	if now.Sub(e.until) > memory {
		e.blocks = 0
	}
	e.failures++
	failures = e.failures
	if failures <= t.rule.limit-1 {
		return failures, until
	}
	length := t.rule.block
	for range e.blocks {
		length = min(2*length, t.rule.longest)
	}
	e.failures, e.until = 0, now.Add(length)
	if length < t.rule.longest {
		e.blocks++
	}
	return failures, e.until
}

// entry finds or makes the entry for k and brings it to the present.
func (t *table[K]) entry(k K, now time.Time) *entry {
	e := t.entries[k]
	if e == nil {
		if len(t.entries) >= maxEntries {
			t.makeRoom()
		}
		e = &entry{last: now}
		t.entries[k] = e
	}
	if passed := now.Sub(e.last); passed > 0 && t.rule.forget > 0 {
		e.failures = max(0, e.failures-float64(passed)/float64(t.rule.forget))
	}
	e.last = now
	return e
}

func (t *table[K]) makeRoom() {
	var oldest K
	var quiet time.Time // since when that one is
	looked := 0
	for k, e := range t.entries { // the order is random
		since := e.last
		if e.until.After(since) {
			since = e.until
		}
		if looked == 0 || since.Before(quiet) {
			oldest, quiet = k, since
		}
		if looked++; looked == sample {
			break
		}
	}
	delete(t.entries, oldest)
}
