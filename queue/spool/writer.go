package spool

import (
	"errors"
	"fmt"
	"syscall"

	"tlsrelay/queue"
)

const (
	groupMax = 16 << 20 // bytes that share a sync, unless one batch alone has more
	writeMax = 1 << 20  // bytes gathered for one write
)

// run is the writer: the only goroutine that writes files and changes the index. While it waits for a sync the next
// batches gather; it waits for nothing else, so that a lone caller pays one sync.
func (s *Store) run() {
	defer close(s.ended)
	for {
		requests := s.intake.take(min(groupMax, s.segmentSize))
		if len(requests) == 0 {
			return
		}
		s.commit(requests)
		s.trim()
	}
}

// commit makes a group of batches durable and answers their callers.
func (s *Store) commit(requests []*request) {
	g := &group{changes: make(map[queue.ID]*entry)}
	for _, r := range requests {
		if err := s.stage(g, r); err != nil {
			r.done <- err
		}
	}
	err := s.persist(g)
	if err == nil {
		s.apply(g)
	} else {
		s.keepClaims(g.ended)
	}
	for _, r := range g.requests {
		r.done <- err
	}
}

// persist writes and syncs the frames. After a failure the segment is never touched again: pages that a failed sync
// lost may be marked clean, so that a second sync would lie. The next segment's header says where this one ends.
func (s *Store) persist(g *group) error {
	if len(g.frames) == 0 {
		return nil
	}
	err := s.makeRoom(g.size)
	if err == nil {
		if err = s.writeGroup(g); err != nil {
			s.abandon(err)
		}
	}
	if isFull(err) {
		return fmt.Errorf("%w: %w", queue.ErrFull, err)
	}
	if err != nil {
		return fmt.Errorf("spool: not stored: %w", err)
	}
	return nil
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// makeRoom sees to a segment that can be written. A frame larger than a segment gets one of its own.
func (s *Store) makeRoom(size int64) error {
	if s.file != nil {
		if last := s.segments[len(s.segments)-1]; last.empty() || last.end+size <= s.segmentSize {
			return nil
		}
	}
	return s.rotate()
}

func (s *Store) writeGroup(g *group) error {
	seg := s.segments[len(s.segments)-1]
	out := gather{file: s.file, off: seg.end, buf: s.buf[:0]}
	defer func() {
		if cap(out.buf) <= 2*writeMax {
			s.buf = out.buf[:0]
		}
	}()
	end := seg.end
	for _, f := range g.frames {
		sealFrame(f.meta, seg.marker, f.size)
		for _, e := range f.puts {
			e.body.seg = seg
			e.body.off += end + int64(len(f.meta))
		}
		end += int64(len(f.meta)) + f.size
		if err := out.add(f.meta); err != nil {
			return err
		}
		for _, b := range f.bodies {
			if err := b.pieces(out.add); err != nil {
				return err
			}
		}
	}
	if err := out.flush(); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	seg.end = end
	return nil
}

// abandon leaves the segment whose write or sync failed. Nothing in it is lost that was acknowledged.
func (s *Store) abandon(cause error) {
	s.log.Error("spool: could not write, going on in a new segment",
		"file", s.segments[len(s.segments)-1].name(), "error", cause)
	s.dropUseless()
	if err := s.rotate(); err != nil {
		s.log.Error("spool: no new segment, trying again with the next batch", "error", err)
	}
}

// apply puts into the index what is durable now.
func (s *Store) apply(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, job := range g.ended {
		delete(s.claims, job)
	}
	for id, e := range g.changes {
		if e != nil {
			s.insert(e)
		} else {
			s.drop(id)
		}
	}
}

// insert adds or replaces an entry. The caller holds mu.
func (s *Store) insert(e *entry) {
	if old := s.index.get(e.id); old != nil {
		old.body.seg.live--
	}
	e.body.seg.live++
	s.index.set(e)
}

// drop removes an entry. The caller holds mu.
func (s *Store) drop(id queue.ID) {
	if e := s.index.get(id); e != nil {
		e.body.seg.live--
		s.index.remove(id)
		s.dropClaims(e)
	}
}

// gather makes few writes of many small pieces.
type gather struct {
	file File
	off  int64
	buf  []byte
}

func (g *gather) add(b []byte) error {
	if len(g.buf)+len(b) > writeMax {
		if err := g.flush(); err != nil {
			return err
		}
	}
	g.buf = append(g.buf, b...)
	return nil
}

func (g *gather) flush() error {
	if len(g.buf) == 0 {
		return nil
	}
	n, err := g.file.WriteAt(g.buf, g.off)
	g.off += int64(n)
	g.buf = g.buf[:0]
	return err
}
