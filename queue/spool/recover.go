package spool

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"tlsrelay/queue"
)

// listing is what a directory holds.
type listing struct {
	segments []uint32 // in order
	hints    []uint32
	texts    []uint64
	spare    bool
}

// list sorts the names in dir. Other files are none of our business.
func list(dir Dir) (listing, error) {
	names, err := dir.List()
	var l listing
	for _, name := range names {
		if seq, ok := segmentSeq(name); ok {
			l.segments = append(l.segments, seq)
		} else if seq, ok := hintSeq(name); ok {
			l.hints = append(l.hints, seq)
		} else if number, ok := textNumber(name); ok {
			l.texts = append(l.texts, number)
		} else if name == spareName {
			l.spare = true
		}
	}
	slices.Sort(l.segments)
	return l, err
}

// recover reads all segments, oldest first, into the index.
func (s *Store) recover(l listing) error {
	seals, err := s.readHeaders(l.segments)
	if err != nil {
		return err
	}
	var buf []byte // one for all
	for _, g := range s.segments {
		seal := seals[g.seq]
		if seal != headerSize && !g.unreadable && (s.thorough || !s.replayHint(g, seal)) {
			buf = s.replay(g, seal, buf)
		}
		if s.blankBehind(g) {
			g.size = g.end
		}
		g.overrun = g.size > g.end || g.unsure
	}
	if slices.ContainsFunc(s.segments, func(g *segment) bool { return g.unreadable }) {
		s.keepAll.Store(true) // what stands elsewhere may speak of messages in it
	}
	s.checkTexts(l.texts)
	return nil
}

// unknownSeal is the seal of a segment when the one that followed it is gone. It ends where its hint says, or with its
// file, zeros left out: with a failed batch behind its end it would have gone first.
const unknownSeal = -1

// readHeaders lists the segments and gives where they end, by the header of the one that was made after each.
func (s *Store) readHeaders(seqs []uint32) (seals map[uint32]int64, err error) {
	seals = make(map[uint32]int64)
	for _, seq := range seqs {
		g, h, err := s.readHeader(seq)
		if err != nil {
			return nil, err
		}
		if h.prevEnd >= headerSize {
			s.seal(seals, h)
		}
		s.segments = append(s.segments, g)
		s.bySeq[seq] = g
		s.nextSeq = seq
	}
	return seals, nil
}

// seal notes what h says of the segments listed so far. Those behind the one that it follows held nothing when it was made,
// or they would have been followed.
func (s *Store) seal(seals map[uint32]int64, h header) {
	for _, g := range slices.Backward(s.segments) {
		if g.seq > h.prevSeq {
			seals[g.seq] = headerSize
			continue
		}
		seals[g.seq] = h.prevEnd
		if g.seq < h.prevSeq {
			seals[g.seq] = unknownSeal
		} else {
			g.unsure = h.prevUnsure
		}
		return
	}
}

// readHeader looks at the head of a segment. The only error is a version that is not ours: damage is reported and lived
// with. Without a good header the marker is taken from where the first frame should be.
func (s *Store) readHeader(seq uint32) (*segment, header, error) {
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
	if err == nil || err == io.EOF {
		g.size, err = f.Size()
	}
	if err != nil {
		g.unreadable = true
		s.report(g, region{why: err})
		return g, header{}, nil
	}
	h, err := parseHeader(b[:n])
	if errors.Is(err, errNewer) || errors.Is(err, errOlder) {
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

// replayHint applies what the hint of a segment says, and reports whether there is a good one. Where the end of the
// segment is not known, records may stand behind those in the hint.
func (s *Store) replayHint(g *segment, seal int64) bool {
	if seal == 0 || g.damaged || g.unsure {
		return false
	}
	digests, end, err := readHint(s.dir, g)
	if err != nil || end > g.size || seal != unknownSeal && end != seal {
		return false
	}
	g.end = end
	err = walkDigests(digests, func(d *digest) error { s.apply(g, d); return nil })
	return err == nil
}

// replay applies the frames of one segment. seal is where it ends, 0 if that is not known: then it is the newest, or
// was when the process died, and what does not check at its end was never acknowledged.
func (s *Store) replay(g *segment, seal int64, buf []byte) []byte {
	f, err := s.dir.Open(g.name())
	if err != nil {
		g.unreadable = true
		s.report(g, region{why: err})
		return buf
	}
	defer f.Close()
	open := seal == 0 || seal == unknownSeal
	if seal == unknownSeal {
		seal = g.size
	}
	size, limit := g.size, g.size
	if seal != 0 {
		limit = min(size, seal)
	}
	w := window{file: f, size: limit, buf: buf[:0]}
	g.digests = []byte{}
	end, tail := w.scan(g.marker, func(frame []digest) { s.replayFrame(g, frame) }, func(r region) { s.report(g, r) })
	g.end = max(end, seal)
	switch {
	case open && tail != nil && tail.why == errBlank:
		g.end = end
	case seal == 0 && tail != nil && w.faulty: // what cannot be read today may be mail that can be read tomorrow
		g.end = size
		s.report(g, *tail)
	case g.unsure && (seal > size || tail != nil):
		s.log.Info("spool: left out what a failed sync had not written", "file", g.name(), "offset", end)
	case seal > size:
		s.report(g, region{from: end, to: seal, why: fmt.Errorf("the file is cut off at %d", size)})
	case seal != 0 && tail != nil:
		s.report(g, *tail)
	case tail != nil:
		s.log.Info("spool: left out a batch that was not complete when the process ended",
			"file", g.name(), "offset", tail.from, "bytes", tail.to-tail.from)
	}
	g.unsure = g.unsure || seal == 0 && !g.empty()
	return w.buf
}

// blankBehind reports whether nothing but zeros stand behind the end of a segment, which were written ahead (writeAhead).
func (s *Store) blankBehind(g *segment) bool {
	if g.unreadable || g.size <= g.end {
		return false
	}
	f, err := s.dir.Open(g.name())
	if err != nil {
		return false
	}
	defer f.Close()
	w := window{file: f, size: g.size}
	return w.blank(g.end)
}

func (s *Store) replayFrame(g *segment, frame []digest) {
	for i := range frame {
		s.apply(g, &frame[i])
		g.keep(&frame[i])
	}
}

// checkTexts compares the texts that are there with those that messages need.
func (s *Store) checkTexts(there []uint64) {
	have := make(map[uint64]bool, len(there))
	for _, number := range there {
		have[number] = true
	}
	s.strays = maps.Clone(have)
	for id, number := range s.texts {
		if have[number] {
			delete(s.strays, number)
			continue
		}
		s.reportText(id, fmt.Errorf("its text should be in %s, which is not there", textName(number)))
		s.forget(id)
	}
	s.deadTexts = nil // they are among the strays
}

// reportText tells of a message whose text, in a file of its own, is missing or damaged.
func (s *Store) reportText(id queue.ID, why error) {
	e := s.index.get(id)
	from := int64(e.accept.off)
	s.report(s.segment(e.accept.seg), region{from: from, to: from + int64(e.size), why: &textError{id, why}})
}

// report tells of damage and counts it. Its segment will be set aside, not unlinked, and has no hint, so that the next
// start finds the damage, too.
func (s *Store) report(g *segment, r region) {
	s.tarnish(g)
	g.highest = math.MaxUint64
	d := Damage{File: g.name(), Offset: r.from, Bytes: r.to - r.from, Problem: r.why}
	var e *textError
	if errors.As(r.why, &e) {
		d.ID, d.Problem = e.id, e.err
	}
	s.found(d)
}
