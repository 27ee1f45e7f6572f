package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
	"strings"

	"tlsrelay/queue"
)

const (
	segmentMagic   = "TLRSPOOL"
	segmentVersion = 2
	headerSize     = 64
	segmentSuffix  = ".segment"
	damagedSuffix  = ".damaged"
	spentPart      = 3 // a segment goes when less than one part in three of it is needed
)

// segment is one file of the log.
type segment struct {
	seq        uint32
	marker     marker
	size       int64    // of the file, as a start found it
	end        int64    // durable bytes: frames behind it were not acknowledged and do not count
	live       int64    // bytes of records, with their texts, that say how a message is now
	stale      bool     // messages have been copied away, or cannot be read: there may be outdated ACCEPT records here
	highest    queue.ID // of the messages with an ACCEPT here; of all there can be, if some cannot be read
	damaged    bool     // something here could not be read: set aside in the end, not unlinked
	unreadable bool     // the file could not be opened or read at all: stays where it is
	kept       bool     // survivors cannot be copied away: no more tries in this run
	unsure     bool     // a start found what is here, and it may not be on the disk, see makeSure
	copied     bool     // all that is needed of it stands elsewhere
	overrun    bool     // a failed batch stands behind the end, or may: to go, and before the next segment, which says what counts

	// graves counts the bytes of DONE and DELETE records here, by the other segment whose outdated ACCEPT they end. They
	// must not go before that segment has.
	graves map[uint32]int64
	buried int64 // sum of graves

	digests []byte // of all records, for the hint; nil: unknown after damage, or the hint is written
}

func (g *segment) name() string { return segmentName(g.seq) }

// needed is the number of bytes that must not be lost with the segment.
func (g *segment) needed() int64 { return g.live + g.buried }

// bury notes that a record of size bytes ends an ACCEPT in segment ref.
func (g *segment) bury(ref uint32, size int64) {
	if g.graves == nil {
		g.graves = make(map[uint32]int64)
	}
	g.graves[ref] += size
	g.buried += size
}

// exhume is told that segment ref is gone.
func (g *segment) exhume(ref uint32) {
	g.buried -= g.graves[ref]
	delete(g.graves, ref)
}

// keep adds to the digests, if they are known.
func (g *segment) keep(d *digest) {
	if g.digests != nil {
		g.digests = appendDigest(g.digests, d)
	}
}

// spent reports whether so little of the segment is needed that it is worth copying that away: a sealed one is then
// to go.
func (g *segment) spent() bool { return g.stale || g.overrun || g.needed()*spentPart < g.end }

// empty reports whether the segment holds no frame.
func (g *segment) empty() bool { return g.end <= headerSize }

// useless reports whether nothing is lost with the segment.
func (g *segment) useless() bool { return g.empty() && !g.damaged && !g.unreadable }

func segmentName(seq uint32) string { return fmt.Sprintf("%016x%s", seq, segmentSuffix) }

// segmentSeq is the reverse of segmentName.
func segmentSeq(name string) (seq uint32, ok bool) {
	hex, ok := strings.CutSuffix(name, segmentSuffix)
	n, err := strconv.ParseUint(hex, 16, 64)
	return uint32(n), ok && err == nil && n > 0 && n < math.MaxUint32 && segmentName(uint32(n)) == name
}

// header is the first headerSize bytes of a segment.
type header struct {
	seq    uint32
	marker marker
	// The segment before this one ended at prevEnd when this one was made. What lies behind is a batch whose write or sync
	// failed: its callers were told so, and it must not come back.
	prevSeq    uint32 // 0: there was none, or it could not be read
	prevUnsure bool   // it was as a start had found it
	prevEnd    int64  // 0: not known; headerSize if there was none: all before this one held nothing
}

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], segmentVersion)
	binary.LittleEndian.PutUint32(b[16:], h.seq)
	copy(b[24:], h.marker[:])
	binary.LittleEndian.PutUint32(b[32:], h.prevSeq)
	if h.prevUnsure {
		b[36] = 1
	}
	binary.LittleEndian.PutUint64(b[40:], uint64(h.prevEnd))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crcTable))
	return b
}

var (
	errHeader = errors.New("the segment's header is damaged")
	errNewer  = errors.New("the segment was written by a newer version of this program")
	errOlder  = errors.New("the segment was written by an older version of this program: empty the queue with that one first")
)

func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize || string(b[:8]) != segmentMagic ||
		crc32.Checksum(b[:60], crcTable) != binary.LittleEndian.Uint32(b[60:]) {
		return header{}, errHeader
	}
	switch version := binary.LittleEndian.Uint32(b[8:]); {
	case version > segmentVersion:
		return header{}, errNewer
	case version < segmentVersion:
		return header{}, errOlder
	}
	return header{
		seq:     binary.LittleEndian.Uint32(b[16:]),
		marker:  marker(b[24:32]),
		prevSeq: binary.LittleEndian.Uint32(b[32:]), prevUnsure: b[36] != 0,
		prevEnd: int64(binary.LittleEndian.Uint64(b[40:])),
	}, nil
}

// newSegment makes the segment that follows prev (nil: none), not yet on disk.
func newSegment(seq uint32, prev *segment) (*segment, header) {
	h := header{seq: seq}
	rand.Read(h.marker[:]) // never fails
	switch {
	case prev == nil:
		h.prevEnd = headerSize
	case !prev.unreadable: // the end of one that was never read is not known
		h.prevSeq, h.prevEnd, h.prevUnsure = prev.seq, prev.end, prev.unsure
	}
	return &segment{seq: seq, marker: h.marker, end: headerSize, digests: []byte{}}, h
}
