package spool

import (
	"encoding/binary"
	"math"
	"time"

	"tlsrelay/queue"
)

// digest is what the index takes from one record, wherever that was seen: in a commit, in a segment or in a hint.
type digest struct {
	kind  byte
	id    queue.ID
	off   uint32   // of the record in its segment
	size  uint32   // bytes of the record, and of the text behind it
	file  uint64   // ACCEPT: number of the text's own file, 0: none
	rcpts []brief  // ACCEPT: all recipients; STATE: those that changed
	refs  []uint32 // DONE and DELETE
}

// brief is what the index keeps of a recipient.
type brief struct {
	index       int
	destination string // ACCEPT only
	due         int64  // nanoseconds since 1970
	done        bool
}

func newBrief(i int, r *queue.Recipient) brief {
	return brief{index: i, destination: r.Destination, due: dueTime(r.NextAttempt), done: r.State.Done()}
}

// dueTime brings a time into the range of nanoseconds that fit in 64 bits, the years 1677 to 2262.
func dueTime(t time.Time) int64 {
	switch {
	case t.Year() < 1678:
		return math.MinInt64
	case t.Year() > 2261:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// digestOf gives what the index takes from a record at off.
func digestOf(r *record, off, size int64) digest {
	d := digest{kind: r.kind, id: r.id, off: uint32(off), size: uint32(size + r.text.inline()), file: r.text.file, refs: r.refs}
	for i := range r.item.Recipients {
		d.rcpts = append(d.rcpts, newBrief(i, &r.item.Recipients[i]))
	}
	for i := range r.changes {
		d.rcpts = append(d.rcpts, newBrief(r.changes[i].index, &r.changes[i].recipient))
	}
	return d
}

// Bits of a recipient in an encoded digest.
const briefDone = 1

func appendDigest(b []byte, d *digest) []byte {
	b = append(b, d.kind)
	b = binary.LittleEndian.AppendUint64(b, uint64(d.id))
	b = binary.LittleEndian.AppendUint32(b, d.off)
	b = binary.AppendUvarint(b, uint64(d.size))
	switch d.kind {
	case recAccept:
		b = binary.AppendUvarint(b, d.file)
		b = binary.AppendUvarint(b, uint64(len(d.rcpts)))
		for i := range d.rcpts {
			b = appendString(b, d.rcpts[i].destination)
			b = appendDue(b, &d.rcpts[i])
		}
	case recState:
		b = binary.AppendUvarint(b, uint64(len(d.rcpts)))
		for i := range d.rcpts {
			b = binary.AppendUvarint(b, uint64(d.rcpts[i].index))
			b = appendDue(b, &d.rcpts[i])
		}
	default:
		b = binary.AppendUvarint(b, uint64(len(d.refs)))
		for _, seq := range d.refs {
			b = binary.AppendUvarint(b, uint64(seq))
		}
	}
	return b
}

func appendDue(b []byte, r *brief) []byte {
	b = append(b, boolBit(r.done, briefDone))
	return binary.LittleEndian.AppendUint64(b, uint64(r.due))
}

// digest is the reverse of appendDigest.
func (d *decoder) digest() digest {
	g := digest{kind: d.byte(), id: queue.ID(d.fixed64()), off: d.fixed32(), size: uint32(d.uvarint())}
	if g.kind == recAccept {
		g.file = d.uvarint()
	}
	n := d.uvarint()
	d.bad = d.bad || n > uint64(len(d.s)) || g.id == 0
	for i := 0; i < int(n) && !d.bad; i++ {
		switch g.kind {
		case recAccept:
			r := brief{index: i, destination: d.string()}
			d.due(&r)
			g.rcpts = append(g.rcpts, r)
		case recState:
			r := brief{index: int(min(d.uvarint(), 1<<31))}
			d.due(&r)
			g.rcpts = append(g.rcpts, r)
		case recDone, recDelete:
			g.refs = append(g.refs, uint32(d.uvarint()))
		default:
			d.bad = true
		}
	}
	return g
}

func (d *decoder) due(r *brief) {
	r.done = d.byte()&briefDone != 0
	r.due = int64(d.fixed64())
}
