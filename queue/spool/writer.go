package spool

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"syscall"

	"tlsrelay/queue"
)

const (
	groupMax = 16 << 20 // bytes that share a sync, unless one batch alone has more
	writeMax = 1 << 20  // bytes gathered for one write
)

// run is the writer until nothing waits. There is one writer at a time: a caller for one group, or this. Only the writer writes
// segments and changes the index. While it waits for a sync the next batches gather; it waits for nothing else, so that a
// lone caller pays one sync.
func (s *Store) run() {
	for s.writeGroup() {
	}
}

// writeGroup makes durable what waits, and reports whether more has come meanwhile.
func (s *Store) writeGroup() (more bool) {
	defer endProcess()
	if requests := s.intake.take(min(groupMax, s.segmentSize)); len(requests) > 0 {
		s.commit(requests)
	}
	return s.intake.more()
}

// endProcess makes a panic of the writer one that no caller can recover, as an SMTP server does for a connection: the queue
// would be left without a writer, in a state that nobody knows.
func endProcess() {
	if p := recover(); p != nil {
		stack := debug.Stack()
		go panic(fmt.Sprintf("spool: writing: %v\n\n%s", p, stack))
		select {}
	}
}

// commit makes a group of batches durable and answers their callers.
func (s *Store) commit(requests []*request) {
	requests = s.refuseFresh(s.makeChanges(requests))
	if len(requests) == 0 {
		return
	}
	size := int64(0)
	for _, r := range requests {
		size += r.size
	}
	if err := s.makeRoom(size); err != nil {
		answer(requests, storeError(err))
		return
	}
	g := &group{seg: s.active(), pending: make(map[queue.ID]*pending, len(requests)), scratch: s.records[:0]}
	for _, r := range requests {
		if err := s.stage(g, r); err != nil {
			r.done <- err
		}
	}
	err := s.persist(g)
	if err == nil {
		s.applyGroup(g)
	} else {
		s.keepClaims(g.ended)
	}
	answer(g.requests, err)
	if cap(g.scratch) <= writeMax {
		s.records = g.scratch
	}
}

// makeChanges makes the changes that need no disk, and gives the other requests.
func (s *Store) makeChanges(requests []*request) []*request {
	return slices.DeleteFunc(requests, func(r *request) bool {
		if r.change == nil {
			return false
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		r.change()
		r.done <- nil
		return true
	})
}

func answer(requests []*request, err error) {
	for _, r := range requests {
		r.done <- err
	}
}

// active is the segment that is written.
func (s *Store) active() *segment { return s.segments[len(s.segments)-1] }

// makeRoom sees to a segment that can be written. A group larger than a segment gets one of its own.
func (s *Store) makeRoom(size int64) error {
	if s.file != nil && (s.active().empty() || s.active().end+size <= s.capacity) {
		return nil
	}
	return s.rotate(size)
}

// persist writes and syncs the frames. After a failure the segment is never touched again: pages that a failed sync
// lost may be marked clean, so that a second sync would lie. The next segment's header says where this one ends.
func (s *Store) persist(g *group) error {
	if g.size == 0 {
		return nil
	}
	if err := s.write(g); err != nil {
		s.abandon(err)
		return storeError(err)
	}
	return nil
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func (s *Store) write(g *group) error {
	out := gather{file: s.file, off: g.seg.end, buf: s.buf[:0], limit: writeMax}
	for _, p := range g.pieces {
		var err error
		if p.body != nil {
			err = p.body.pieces(out.add)
		} else {
			err = out.add(p.bytes)
		}
		if err != nil {
			return err
		}
	}
	err := out.flush()
	s.buf = out.buf
	if err == nil {
		err = s.writeAhead(out.off, g.size)
	}
	if err != nil {
		return err
	}
	return s.file.Sync()
}

// abandon leaves the segment whose write or sync failed. Nothing in it is lost that was acknowledged.
func (s *Store) abandon(cause error) {
	s.log.Error("spool: could not write, going on in a new segment", "file", s.active().name(), "error", cause)
	s.file.Close()
	s.file = nil
	s.mu.Lock()
	s.active().overrun, s.unsealed = true, true
	s.mu.Unlock()
	s.dropUseless()
	if err := s.rotate(0); err != nil {
		s.log.Error("spool: no new segment, trying again with the next batch", "error", err)
	}
}

// applyGroup puts into the index what is durable now.
func (s *Store) applyGroup(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.seg.end += g.size
	for _, job := range g.ended {
		delete(s.claims, job)
	}
	for i := range g.digests {
		s.apply(g.seg, &g.digests[i])
		g.seg.keep(&g.digests[i])
	}
}

// rotate goes on in a new segment, with room for a first group of size bytes, and seals the last one.
func (s *Store) rotate(size int64) error {
	s.leave()
	s.nextSeq++
	g, h := newSegment(s.nextSeq, s.last())
	f, err := s.openSegment(g.name(), headerSize+size)
	if err != nil {
		return fmt.Errorf("new segment: %w", err)
	}
	if _, err = f.WriteAt(h.encode(), 0); err == nil {
		if err = f.Sync(); err == nil {
			err = s.dir.Sync()
		}
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("new segment: %w", errors.Join(err, s.dir.Remove(g.name()))) // if it stays: it holds no frame
	}
	s.file, s.ahead = f.File, 0
	if !f.taken {
		s.ahead = f.size // nothing is written ahead where that might fill the disk
	}
	s.mu.Lock()
	s.capacity, s.unsealed = f.size, false
	s.segments = append(s.segments, g)
	s.bySeq[g.seq] = g
	s.mu.Unlock()
	s.wake()
	return nil
}

// leave ends the writing of the active segment, unless it failed, and gives back the space that it did not use.
func (s *Store) leave() {
	if s.file == nil {
		return
	}
	s.file.Close() // nothing depends on it: what counts is synced
	s.file = nil
	if size := s.active().end; size < s.capacity {
		s.dir.Truncate(s.active().name(), size) // if that fails the space comes back with the segment
	}
}

// dropUseless takes the last segment away if it holds nothing: one whose first write failed. If it may still be there after
// a crash it stays listed; the next header passes it over, and may therefore not go before it.
func (s *Store) dropUseless() {
	g := s.active()
	if !g.useless() {
		return
	}
	if err := errors.Join(s.dir.Remove(g.name()), s.dir.Sync()); err != nil {
		s.log.Warn("spool: could not remove a segment that holds nothing, trying again later", "file", g.name(), "error", err)
		return
	}
	s.mu.Lock()
	s.segments = s.segments[:len(s.segments)-1]
	delete(s.bySeq, g.seq)
	s.mu.Unlock()
}

// last is the last segment that holds something, nil if none does.
func (s *Store) last() *segment {
	for _, g := range slices.Backward(s.segments) {
		if !g.useless() {
			return g
		}
	}
	return nil
}
