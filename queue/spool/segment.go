package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

const (
	segmentMagic   = "TLRSPOOL"
	segmentVersion = 1
	headerSize     = 64
	segmentSuffix  = ".segment"
	damagedSuffix  = ".damaged"
)

// segment is one file of the log.
type segment struct {
	seq        uint64
	marker     marker
	end        int64 // durable bytes: frames behind it were not acknowledged and do not count
	live       int   // messages in the index whose body lies here
	damaged    bool  // something here could not be read: set aside in the end, not unlinked
	unreadable bool  // the file could not be opened or read at all: stays where it is
}

func (g *segment) name() string { return segmentName(g.seq) }

// empty reports whether the segment holds no frame.
func (g *segment) empty() bool { return g.end <= headerSize }

// useless reports whether nothing is lost with the segment.
func (g *segment) useless() bool { return g.empty() && !g.damaged && !g.unreadable }

func segmentName(seq uint64) string { return fmt.Sprintf("%016x%s", seq, segmentSuffix) }

// segmentSeq is the reverse of segmentName.
func segmentSeq(name string) (seq uint64, ok bool) {
	hex, ok := strings.CutSuffix(name, segmentSuffix)
	seq, err := strconv.ParseUint(hex, 16, 64)
	return seq, ok && err == nil && seq > 0 && seq < 1<<63 && segmentName(seq) == name
}

// header is the first headerSize bytes of a segment.
type header struct {
	seq    uint64
	marker marker
	// The segment before this one ended at prevEnd when this one was made. What lies behind is a batch whose write or sync
	// failed: its callers were told so, and it must not come back.
	prevSeq uint64 // 0: there was none
	prevEnd int64
}

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], segmentVersion)
	binary.LittleEndian.PutUint64(b[16:], h.seq)
	copy(b[24:], h.marker[:])
	binary.LittleEndian.PutUint64(b[32:], h.prevSeq)
	binary.LittleEndian.PutUint64(b[40:], uint64(h.prevEnd))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crcTable))
	return b
}

var (
	errHeader  = errors.New("the segment's header is damaged")
	errVersion = errors.New("the segment was written by a newer version of this program")
)

func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize || string(b[:8]) != segmentMagic ||
		crc32.Checksum(b[:60], crcTable) != binary.LittleEndian.Uint32(b[60:]) {
		return header{}, errHeader
	}
	if binary.LittleEndian.Uint32(b[8:]) != segmentVersion {
		return header{}, errVersion
	}
	return header{
		seq:     binary.LittleEndian.Uint64(b[16:]),
		marker:  marker(b[24:32]),
		prevSeq: binary.LittleEndian.Uint64(b[32:]),
		prevEnd: int64(binary.LittleEndian.Uint64(b[40:])),
	}, nil
}

// createSegment makes segment seq, which seals prev (nil: there is none). The header and the name are durable when it
// returns. After an error nothing is left that matters: a file that could not be removed holds no frame.
func createSegment(dir Dir, seq uint64, prev *segment) (*segment, File, error) {
	h := header{seq: seq}
	rand.Read(h.marker[:])               // never fails
	if prev != nil && !prev.unreadable { // the end of one that was never read is not known
		h.prevSeq, h.prevEnd = prev.seq, prev.end
	}
	g := &segment{seq: seq, marker: h.marker, end: headerSize}
	f, err := dir.Create(g.name())
	if err != nil {
		return nil, nil, err
	}
	if _, err = f.WriteAt(h.encode(), 0); err == nil {
		if err = f.Sync(); err == nil {
			err = dir.Sync()
		}
	}
	if err != nil {
		f.Close()
		return nil, nil, errors.Join(err, dir.Remove(g.name()))
	}
	return g, f, nil
}

// rotate goes on in a new segment, which seals the last one.
func (s *Store) rotate() error {
	if s.file != nil {
		s.file.Close() // nothing depends on it: what counts is synced
		s.file = nil
	}
	var prev *segment
	if n := len(s.segments); n > 0 {
		prev = s.segments[n-1]
	}
	s.nextSeq++
	g, f, err := createSegment(s.dir, s.nextSeq, prev)
	if err != nil {
		return fmt.Errorf("new segment: %w", err)
	}
	s.mu.Lock()
	s.segments = append(s.segments, g)
	s.mu.Unlock()
	s.file = f
	return nil
}

// dropUseless takes the last segment away if it holds nothing: one whose first write failed. If the removal may not be
// durable the segment stays listed, and the next one seals it.
func (s *Store) dropUseless() {
	n := len(s.segments) - 1
	if !s.segments[n].useless() || s.dir.Remove(s.segments[n].name()) != nil || s.dir.Sync() != nil {
		return
	}
	s.mu.Lock()
	s.segments = s.segments[:n]
	s.mu.Unlock()
}
