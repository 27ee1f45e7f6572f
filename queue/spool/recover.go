package spool

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// recover reads all segments, oldest first, into the index.
func (s *Store) recover() error {
	seqs, err := s.listSegments()
	if err != nil {
		return err
	}
	seals := make(map[uint64]int64) // where a segment ends, by the header of the one after it
	for _, seq := range seqs {
		g, h, err := s.readHeader(seq)
		if err != nil {
			return err
		}
		if h.prevEnd >= headerSize {
			seals[h.prevSeq] = h.prevEnd
		}
		s.segments = append(s.segments, g)
		s.nextSeq = seq
	}
	var buf []byte // one for all
	for _, g := range s.segments {
		if !g.unreadable {
			buf = s.replay(g, seals[g.seq], buf)
		}
	}
	return nil
}

// listSegments gives the numbers of the segments there are, in order. Other files are none of our business.
func (s *Store) listSegments() ([]uint64, error) {
	names, err := s.dir.List()
	if err != nil {
		return nil, err
	}
	var seqs []uint64
	for _, name := range names {
		if seq, ok := segmentSeq(name); ok {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs, nil
}

// readHeader looks at the head of a segment. The only error is a version that is not ours: damage is reported and lived
// with. Without a good header the marker is taken from where the first frame should be.
func (s *Store) readHeader(seq uint64) (*segment, header, error) {
	g := &segment{seq: seq, end: headerSize}
	f, err := s.dir.Open(g.name())
	if err != nil {
		g.unreadable = true
		s.report(g, region{why: err})
		return g, header{}, nil
	}
	defer f.Close()
	b := make([]byte, headerSize+len(g.marker))
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		g.unreadable = true
		s.report(g, region{why: err})
		return g, header{}, nil
	}
	h, err := parseHeader(b[:n])
	if errors.Is(err, errVersion) {
		return nil, header{}, fmt.Errorf("%s: %w", g.name(), err)
	}
	if err == nil && h.seq != seq {
		err = fmt.Errorf("the segment's header says it is %s", segmentName(h.seq))
	}
	if err == nil {
		g.marker = h.marker
		return g, h, nil
	}
	g.marker = marker(b[headerSize:])
	if n > headerSize { // a shorter one was never used: its header was not durable yet
		s.report(g, region{to: headerSize, why: err})
	}
	return g, header{}, nil
}

// replay applies the frames of one segment. seal is where it ends, 0 if that is not known: then it is the newest, or
// was when the process died, and what does not check at its end was never acknowledged.
func (s *Store) replay(g *segment, seal int64, buf []byte) []byte {
	f, err := s.dir.Open(g.name())
	var size int64
	if err == nil {
		defer f.Close()
		size, err = f.Size()
	}
	if err != nil {
		g.unreadable = true
		s.report(g, region{why: err})
		return buf
	}
	limit := size
	if seal != 0 {
		limit = min(size, seal)
	} else if err := f.Sync(); err != nil {
		// The last frames may be in the kernel's memory only. An old segment must not be unlinked on their word: a notice
		// in them and the message it speaks of could both be lost.
		s.trimStopped = true
		s.log.Error("spool: could not sync a segment; space comes back only after a restart",
			"file", g.name(), "error", err)
	}
	w := window{file: f, size: limit, buf: buf[:0]}
	end, tail := w.scan(g.marker,
		func(off int64, meta string) { s.replayFrame(g, off, meta) },
		func(r region) { s.report(g, r) })
	g.end = max(end, seal)
	switch {
	case seal == 0 && tail != nil && w.faulty: // what cannot be read today may be mail that can be read tomorrow
		g.end = size
		s.report(g, *tail)
	case seal > size:
		s.report(g, region{from: end, to: seal, why: fmt.Errorf("the file is cut off at %d", size)})
	case seal != 0 && tail != nil:
		s.report(g, *tail)
	case tail != nil:
		s.log.Info("spool: left out a batch that was not complete when the process ended",
			"file", g.name(), "offset", tail.from, "bytes", tail.to-tail.from)
	}
	return w.buf
}

func (s *Store) replayFrame(g *segment, off int64, meta string) {
	body := off + frameHead + int64(len(meta))
	eachRecord(meta, func(r record) error { // no error: the frame was checked
		switch r.kind {
		case recAccept: // of an ID that is there: the later one counts
			s.insert(&entry{id: r.id, item: r.item, body: place{seg: g, off: body, size: r.bodySize, crc: r.bodyCRC}})
			body += r.bodySize
		case recState:
			if err := s.replayState(r); err != nil {
				s.report(g, region{from: off, to: body, why: err})
			}
		case recDone, recDelete:
			s.drop(r.id)
		}
		return nil
	})
}

// replayState changes recipients of a message. One that is not there is no error: its ACCEPT may have been damaged.
func (s *Store) replayState(r record) error {
	e := s.index.get(r.id)
	if e == nil {
		return nil
	}
	it, err := decodeItem(e.item)
	if err != nil {
		return err
	}
	for _, c := range r.changes {
		if c.index >= uint64(len(it.Recipients)) {
			return fmt.Errorf("message %s has no recipient %d", r.id, c.index)
		}
		it.Recipients[c.index] = c.recipient
	}
	if it.Done() {
		s.drop(r.id)
		return nil
	}
	s.insert(&entry{id: e.id, item: encodeItem(&it), body: e.body})
	return nil
}

// report tells of damage and counts it. Its segment will be set aside, not unlinked.
func (s *Store) report(g *segment, r region) {
	s.damaged++
	g.damaged = true
	s.log.Warn("spool: damaged record, keeping the rest", "file", g.name(), "offset", r.from, "bytes", r.to-r.from,
		"error", r.why)
}
