package spool

import (
	"errors"
	"io/fs"
)

// trim unlinks segments with no live message, always the oldest one first, each removal made durable before the next.
//
// That order is the whole proof that nothing ended comes back: a STATE, DONE or DELETE stands behind the ACCEPT it
// speaks of, in the same segment or a later one. When the oldest segment goes, every ACCEPT in it is ended, and the
// records in it speak of ACCEPTs in it or in segments that are gone already.
func (s *Store) trim() {
	for len(s.segments) > 1 && !s.trimStopped {
		oldest := s.segments[0]
		if oldest.live > 0 || oldest.unreadable {
			return
		}
		err := s.putAway(oldest)
		if err == nil {
			err = s.dir.Sync()
		}
		if err != nil {
			// The name may be back after a crash: to remove a later segment now could revive what that one ended.
			s.trimStopped = true
			s.log.Error("spool: could not remove a segment; space comes back only after a restart",
				"file", oldest.name(), "error", err)
			return
		}
		s.mu.Lock()
		s.segments[0] = nil
		s.segments = s.segments[1:]
		s.mu.Unlock()
	}
}

// putAway unlinks a segment. One with damage is kept under another name: there may be mail in it that a person can
// save.
func (s *Store) putAway(g *segment) error {
	var err error
	if g.damaged {
		err = s.dir.Rename(g.name(), g.name()+damagedSuffix)
	} else {
		err = s.dir.Remove(g.name())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
