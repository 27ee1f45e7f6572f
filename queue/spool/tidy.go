package spool

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"tlsrelay/queue"
)

// tidy works in the background: it keeps a spare segment, writes hints, removes texts of messages that are done, and gives
// the space of spent segments back. It changes neither index nor segments itself: what it finds out goes through the
// writer.
func (s *Store) tidy() {
	defer close(s.tidied)
	for {
		if err := s.tidyOnce(); err != nil {
			s.sleep(fullPause)
		}
		select {
		case <-s.work:
		case <-s.quit:
			return
		}
	}
}

// fullPause is how long tidy waits when there is no space to copy to, before it tries again.
const fullPause = time.Second

// tidyOnce does what there is to do. The error is [queue.ErrFull]: there is no space for more.
func (s *Store) tidyOnce() error {
	s.makeSpare()
	s.writeHints()
	if err := s.makeSure(); err != nil {
		return err
	}
	s.removeTexts()
	for {
		if more, err := s.reclaim(); !more {
			return err
		}
	}
}

// makeSure copies what a start found in the newest segment when nobody had said where it ends, because the process before died, and
// removes that. After a failed sync frames can be read that no sync takes to the disk, and until they are copied nothing is removed on their
// word. The error is [queue.ErrFull].
func (s *Store) makeSure() error {
	for g := s.firstUnsure(); g != nil && !s.quitting() && !s.keepAll.Load(); g = s.firstUnsure() {
		switch err := s.evacuate(g); {
		case errors.Is(err, queue.ErrClosed):
			return nil
		case errors.Is(err, queue.ErrFull):
			return err
		case err != nil:
			s.keepAll.Store(true)
			s.log.Error("spool: could not copy what the last process wrote; space comes back only after a restart",
				"file", g.name(), "error", err)
			return nil
		}
		if err := s.change(func() { g.unsure, g.copied = false, true }); err != nil {
			return nil
		}
		if s.mayGo(g) { // at once: a process that dies soon again and again would leave ever more to copy
			s.remove(g)
		}
	}
	s.sweepTexts()
	return nil
}

func (s *Store) firstUnsure() *segment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.unsure()
}

// unsure gives the first unsure segment, nil if there is none. The caller holds mu.
func (s *Store) unsure() *segment {
	for _, g := range s.segments {
		if g.unsure {
			return g
		}
	}
	return nil
}

// wake has tidy look again.
func (s *Store) wake() {
	select {
	case s.work <- struct{}{}:
	default: // it will anyway
	}
}

func (s *Store) quitting() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

// removeTexts removes the texts of messages that are done. Those left by a process that died are found at its next start.
func (s *Store) removeTexts() {
	s.mu.Lock()
	if s.unsealed || s.unsure() != nil || s.keepAll.Load() {
		s.mu.Unlock()
		return
	}
	dead := s.deadTexts
	s.deadTexts = nil
	s.mu.Unlock()
	for _, number := range dead {
		s.removeText(number)
	}
}

// reclaim gives one spent segment back, and reports whether to look for the next. The error is [queue.ErrFull].
func (s *Store) reclaim() (more bool, err error) {
	g := s.victim()
	if g == nil || s.quitting() {
		return false, nil
	}
	switch err := s.evacuate(g); {
	case errors.Is(err, queue.ErrClosed):
		return false, nil
	case errors.Is(err, queue.ErrFull): // until other mail is done
		return false, err
	case err != nil:
		g.kept = true
		s.log.Warn("spool: could not copy mail out of a segment; its space comes back when that mail is done",
			"file", g.name(), "error", err)
		return true, nil
	}
	return s.remove(g), nil
}

// remove takes a segment away of which nothing is needed any more, and reports whether that was done.
func (s *Store) remove(g *segment) bool {
	if err := s.putAway(g); err != nil {
		// The name may be back after a crash: to remove another segment now could revive what that one ended.
		s.keepAll.Store(true)
		s.log.Error("spool: could not remove a segment; space comes back only after a restart", "file", g.name(), "error", err)
		return false
	}
	return s.change(func() { s.strike(g) }) == nil
}

// victim is the segment that is to go next, nil if there is none: one that nobody needs, else the oldest spent one, or on
// a full disk that of which the least is needed.
func (s *Store) victim() *segment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.keepAll.Load() || s.unsure() != nil || len(s.segments) == 0 {
		return nil
	}
	var spent *segment
	for i, g := range s.segments[:len(s.segments)-1] {
		switch {
		case s.sealing(i):
		case g.needed() == 0:
			return g
		case !g.spent() || g.kept:
		case spent == nil, isFull(s.spareErr) && g.needed() < spent.needed():
			spent = g
		}
	}
	return spent
}

// sealing reports whether only the header of a segment says where the one before it ends: then it must not go. The caller holds mu.
func (s *Store) sealing(i int) bool { return i > 0 && s.segments[i-1].overrun }

// mayGo reports whether a segment of which nothing is needed can go at once. One that is damaged takes its turn: what cannot be read may be
// read by the next start.
func (s *Store) mayGo(g *segment) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !g.damaged && !s.sealing(slices.Index(s.segments, g))
}

// putAway unlinks a segment. One with damage is kept under another name: there may be mail in it that a person can
// save.
func (s *Store) putAway(g *segment) error {
	defer s.files.drop(g.seq) // now nobody can open it any more
	var err error
	if g.damaged {
		err = s.dir.Rename(g.name(), g.name()+damagedSuffix)
	} else {
		err = s.dir.Remove(g.name())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.dir.Remove(hintName(g.seq)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("spool: could not remove a hint; the next start does", "file", hintName(g.seq), "error", err)
	}
	return s.dir.Sync()
}

// pause lets others have the disk after n bytes were copied, unless space is short.
func (s *Store) pause(n int64) {
	if s.lacksSpare() || s.moveRate <= 0 {
		return
	}
	s.sleep(time.Duration(n) * time.Second / time.Duration(s.moveRate))
}

// sleep waits, but not beyond the end.
func (s *Store) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.quit:
	}
}

// sealed gives the segments that are not written any more.
func (s *Store) sealed() []*segment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.segments) == 0 {
		return nil
	}
	return slices.Clone(s.segments[:len(s.segments)-1])
}
