package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"tlsrelay/queue"
)

const (
	spareName   = "spare"
	minSpare    = 256 << 10 // bytes; the spare gets less than a segment's size when the disk has less
	minSegment  = 16 << 10  // bytes; with less space for the next segment no result of a delivery can be stored
	moveReserve = 1 << 20   // bytes that copying leaves for the results of deliveries
)

// Room implements [queue.Store]. There is room while there is a spare: it is what results of deliveries go to when the disk
// is full. While all is well this costs nothing: only when the writer has refused a batch does it look at the disk.
func (s *Store) Room(ctx context.Context) error {
	if err := s.usable(ctx); err != nil || !s.short.Load() {
		return err
	}
	return s.lookForRoom()
}

// lookForRoom is ErrFull if there is too little space for new mail.
func (s *Store) lookForRoom() error {
	if free, err := s.dir.Free(); err == nil && free < s.freeSpace {
		return fmt.Errorf("%w: the disk has %d bytes left, under the limit of %d", queue.ErrFull, free, s.freeSpace)
	}
	if !s.makeSpare() {
		return fmt.Errorf("%w: the disk is full", queue.ErrFull)
	}
	return nil
}

// refuseFresh answers requests with new mail if space is short, and gives the others.
func (s *Store) refuseFresh(requests []*request) []*request {
	fresh := false
	for _, r := range requests {
		fresh = fresh || r.fresh()
	}
	if !fresh {
		return requests
	}
	full := s.lookForRoom()
	s.tellShort(full)
	if full == nil {
		return requests
	}
	var rest []*request
	for _, r := range requests {
		if r.fresh() {
			r.done <- full
		} else {
			rest = append(rest, r)
		}
	}
	return rest
}

// tellShort notes whether new mail is refused, and logs when that begins and ends.
func (s *Store) tellShort(full error) {
	was := s.short.Swap(full != nil)
	switch {
	case full != nil && !was:
		s.log.Error("spool: new mail is refused until there is space; deliveries go on", "error", full)
	case full == nil && was:
		s.log.Warn("spool: there is space again, new mail is accepted")
	}
}

// emptyFile is a new file for a segment.
type emptyFile struct {
	File
	size  int64 // bytes it may grow to
	taken bool  // their space is taken; else the file system cannot do that, and writes take it as they go
}

// openSegment gives a new file with space for a segment, at least for size bytes: the spare, or one made now.
func (s *Store) openSegment(name string, size int64) (emptyFile, error) {
	if f, ok := s.takeSpare(name, size); ok {
		return f, nil
	}
	return s.makeFile(name, max(size, min(minSegment, s.segmentSize)))
}

// makeFile makes a file and takes space for it: that of a segment if there is so much, and less on a full disk, but for
// least bytes.
func (s *Store) makeFile(name string, least int64) (emptyFile, error) {
	f, err := s.dir.Create(name)
	if err != nil {
		return emptyFile{}, err
	}
	for want := max(least, s.affordable()); ; want = max(want/2, least) {
		err = f.Allocate(want)
		if err == nil || errors.Is(err, errors.ErrUnsupported) {
			return emptyFile{f, want, err == nil}, nil
		}
		if !isFull(err) || want == least {
			f.Close()
			return emptyFile{}, errors.Join(err, s.dir.Remove(name))
		}
	}
}

// affordable is how large a new segment should be. What is taken in advance, a segment and the spare, must not be what makes
// new mail refused: each is at most half of what there is above that limit, and below it a part of all.
func (s *Store) affordable() int64 {
	free, err := s.dir.Free()
	if err != nil {
		return s.segmentSize
	}
	part := free / 4
	if above := free - s.freeSpace; above > 0 {
		part = above / 2
	}
	return min(max(part, s.leastSpare()), s.segmentSize)
}

// leastSpare is how many bytes the spare has at least.
func (s *Store) leastSpare() int64 { return min(minSpare, s.segmentSize) }

// takeSpare makes the spare a segment's file. Not ok: there is none, or it is too small, or it would not be renamed.
func (s *Store) takeSpare(name string, size int64) (f emptyFile, ok bool) {
	s.spareWork.Lock()
	defer s.spareWork.Unlock()
	s.mu.Lock()
	f = s.spare
	if f.File == nil || size > f.size {
		s.mu.Unlock()
		return emptyFile{}, false
	}
	s.spare = emptyFile{}
	s.mu.Unlock()
	if err := s.dir.Rename(spareName, name); err != nil {
		f.Close()
		s.log.Warn("spool: could not use the spare segment", "error", err)
		s.removeSpare()
		return emptyFile{}, false
	}
	return f, true
}

// removeSpare removes a spare that is there, in an earlier life of the process for example.
func (s *Store) removeSpare() {
	if err := s.dir.Remove(spareName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("spool: could not remove the old spare segment", "error", err)
	}
}

// lacksSpare reports whether there was no space for a spare.
func (s *Store) lacksSpare() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return isFull(s.spareErr)
}

// makeSpare makes a spare if there is none, and reports whether there was space for it. After the end it does nothing: the
// directory may be another process's.
func (s *Store) makeSpare() bool {
	s.spareWork.Lock()
	defer s.spareWork.Unlock()
	s.mu.RLock()
	have, before := s.spare.File != nil || s.closed, s.spareErr
	s.mu.RUnlock()
	if have {
		return true
	}
	if free, err := s.dir.Free(); isFull(before) && err == nil && free < s.leastSpare() {
		return false
	}
	if errors.Is(before, fs.ErrExist) {
		s.removeSpare()
	}
	f, err := s.makeFile(spareName, s.leastSpare())
	if err != nil && before == nil {
		s.log.Error("spool: could not take space for the next segment", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare, s.spareErr = f, err
	return !isFull(err)
}

// dropSpare removes the spare at the end.
func (s *Store) dropSpare() {
	s.spareWork.Lock()
	defer s.spareWork.Unlock()
	s.mu.Lock()
	f := s.spare
	s.spare = emptyFile{}
	s.mu.Unlock()
	if f.File != nil {
		f.Close()
		s.removeSpare()
	}
}
