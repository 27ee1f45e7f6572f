package dns

import (
	"container/list"
	"errors"
	"net/netip"
	"unsafe"
)

const maxChances = 100 // given at a time: nobody waits for a walk through all of memory

// shelf keeps entries up to a number of bytes. The oldest goes first, but one that was used since it was last in danger
// gets a second chance: nearly as good as to sort by use, and a use costs next to nothing.
type shelf struct {
	limit, size int
	byKey       map[key]*entry
	queue       list.List // of *entry, the oldest at the front
}

func newShelf(limit int) shelf { return shelf{limit: limit, byKey: make(map[key]*entry)} }

// get is nil if there is no such entry.
func (s *shelf) get(k key) *entry {
	e := s.byKey[k]
	if e != nil {
		e.used = true
	}
	return e
}

// put adds an entry or replaces the one with its key.
func (s *shelf) put(e *entry) {
	if old := s.byKey[e.key]; old != nil {
		s.remove(old)
	}
	s.byKey[e.key] = e
	e.place = s.queue.PushBack(e)
	e.size = e.bytes()
	s.size += e.size
	for chances := 0; s.size > s.limit; {
		oldest := s.queue.Front().Value.(*entry)
		if oldest.used && chances < maxChances {
			chances++
			oldest.used = false
			s.queue.MoveToBack(oldest.place)
		} else {
			s.remove(oldest)
		}
	}
}

func (s *shelf) remove(e *entry) {
	s.queue.Remove(e.place)
	s.size -= e.size
	delete(s.byKey, e.key)
}

// What entries and their parts take in memory.
const (
	entryBytes   = int(unsafe.Sizeof(entry{})+unsafe.Sizeof(list.Element{})) + 64 // 64: its place in the map, on average
	hostBytes    = int(unsafe.Sizeof(MX{}))
	addrBytes    = int(unsafe.Sizeof(netip.Addr{}))
	failureBytes = int(unsafe.Sizeof(Failure{}))
	troubleBytes = int(unsafe.Sizeof(TroubleError{})) + 64 // 64: a wrapped error
	deniedBytes  = 64                                      // a name with ErrNoSuchDomain
)

// bytes is what the entry takes in memory, roughly.
func (e *entry) bytes() int {
	n := entryBytes + len(e.key.name) + len(e.addresses)*addrBytes
	for _, h := range e.hosts {
		n += hostBytes + stringBytes(h.Host)
	}
	var trouble *TroubleError
	switch {
	case errors.As(e.err, &trouble):
		n += troubleBytes + stringBytes(trouble.Question)
		for _, f := range trouble.Failures {
			n += failureBytes + stringBytes(f.Reason)
		}
	case e.err != nil:
		n += deniedBytes + stringBytes(e.err.Error())
	}
	return n
}

// stringBytes is a string's share: memory comes in sizes, a few bytes over.
func stringBytes(s string) int { return len(s) + 8 }
