package spool

import (
	"slices"

	"tlsrelay/queue"
)

// apply changes the index by one record that is durable in g. It is the only way in which the index changes, in a commit
// as at a start. A STATE, DONE or DELETE of a message that is not there is no error: its ACCEPT may have been damaged.
// The caller holds mu.
func (s *Store) apply(g *segment, d *digest) {
	switch d.kind {
	case recAccept:
		s.applyAccept(g, d)
	case recState:
		s.applyState(g, d)
	case recDone, recDelete:
		for _, ref := range d.refs {
			if ref != g.seq && s.segment(ref) != nil {
				g.bury(ref, int64(d.size))
			}
		}
		s.forget(d.id)
	}
}

// applyAccept adds a message. One that is there was copied: the later record counts and the earlier is outdated.
func (s *Store) applyAccept(g *segment, d *digest) {
	if old := s.index.get(d.id); old != nil {
		if from := s.segment(old.accept.seg); from != nil && from != g {
			s.markStale(from)
		}
		s.unlink(old)
	} else {
		s.index.insert(entry{id: d.id})
	}
	e := s.index.get(d.id)
	e.accept, e.size = place{g.seq, d.off}, d.size
	if len(d.rcpts) != 1 {
		e.group = s.index.groups.add(make([]slot, len(d.rcpts)))
	}
	slots := s.index.slots(e)
	for i := range d.rcpts {
		slots[i].destination = s.index.names.use(d.rcpts[i].destination)
		slots[i].set(d.rcpts[i].due, d.rcpts[i].done, place{}, 0)
	}
	delete(s.texts, d.id)
	if d.file != 0 {
		s.texts[d.id] = d.file
	}
	g.live += int64(d.size)
	g.highest = max(g.highest, d.id)
}

// applyState changes recipients. When by that nothing is left to do the message is dropped.
func (s *Store) applyState(g *segment, d *digest) {
	e := s.index.get(d.id)
	if e == nil {
		return
	}
	slots := s.index.slots(e)
	share := d.size / uint32(max(len(d.rcpts), 1))
	for _, r := range d.rcpts {
		if r.index >= len(slots) {
			continue // cannot be: the commit was checked
		}
		slot := &slots[r.index]
		s.release(slot.state, slot.bytes())
		slot.set(r.due, r.done, place{g.seq, d.off}, share)
		g.live += int64(share)
	}
	if allDone(slots) {
		s.forget(d.id)
	}
}

// forget drops a message, its claims, and the file with its text.
func (s *Store) forget(id queue.ID) {
	e := s.index.get(id)
	if e == nil {
		return
	}
	for _, slot := range s.index.slots(e) {
		delete(s.claims, queue.JobKey{ID: id, Destination: s.index.names.text(slot.destination)})
	}
	if file, ok := s.texts[id]; ok {
		s.deadTexts = append(s.deadTexts, file)
		delete(s.texts, id)
	}
	s.unlink(e)
	s.index.remove(id)
}

// tarnish notes that something in g cannot be read: g is to be set aside, not unlinked, and soon. What can be read another
// day may be an outdated ACCEPT.
func (s *Store) tarnish(g *segment) {
	if g != nil {
		g.damaged, g.digests = true, nil
		s.markStale(g)
	}
	s.damaged++
}

// strike takes a segment that is gone from the disk out of the books: records elsewhere that ended messages in it are not
// needed any more.
func (s *Store) strike(gone *segment) {
	s.segments = slices.DeleteFunc(slices.Clone(s.segments), func(g *segment) bool { return g == gone })
	s.stale = slices.DeleteFunc(s.stale, func(seq uint32) bool { return seq == gone.seq })
	delete(s.bySeq, gone.seq)
	for _, g := range s.segments {
		g.exhume(gone.seq)
	}
	s.wake()
}

// unlink takes back what e holds of segments, groups and names.
func (s *Store) unlink(e *entry) {
	s.release(e.accept, e.size)
	for _, slot := range s.index.slots(e) {
		s.release(slot.state, slot.bytes())
		s.index.names.drop(slot.destination)
	}
	if e.group != 0 {
		s.index.groups.remove(e.group)
		e.group = 0
	}
	e.only[0] = slot{}
}

// release counts bytes at p as dead.
func (s *Store) release(p place, bytes uint32) {
	g := s.segment(p.seg)
	if g == nil {
		return
	}
	was := g.spent()
	g.live -= int64(bytes)
	if g.spent() && !was || g.needed() == 0 {
		s.wake()
	}
}

// segment gives the segment with a number, nil if it is not there any more.
func (s *Store) segment(seq uint32) *segment { return s.bySeq[seq] }

// markStale notes that g holds outdated ACCEPT records, or may.
func (s *Store) markStale(g *segment) {
	if !g.stale {
		g.stale = true
		s.stale = append(s.stale, g.seq)
		slices.Sort(s.stale)
	}
}
