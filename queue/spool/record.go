package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"tlsrelay/queue"
)

// A frame is one committed batch: a head, then its records, each ACCEPT followed by its text unless that has a file of its
// own. A record checks itself, so that it can be read alone.
const (
	frameHead  = 16       // marker 8, bytes behind the head 4, checksum of these twelve 4
	maxFrame   = 1 << 30  // bytes behind the head
	recordHead = 8        // checksum of all that follows 4, kind and length of the payload 4
	maxRecord  = 64 << 20 // bytes of payload
)

// Kinds of records.
const (
	recAccept = 1 // text, item
	recState  = 2 // ID, then for each changed recipient its index and its new state
	recDone   = 3 // ID, segments: nothing is left to do
	recDelete = 4 // ID, segments: removed by the operator
)

const kindShift = 28 // in the word that holds kind and length

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// marker opens every frame of one segment. It is drawn by chance for each segment: no message text can hold it, so that
// text is never taken for a frame when recovery looks for the next frame behind a damaged one.
type marker [8]byte

// appendFrameHead makes the head of a frame with length bytes behind it.
func appendFrameHead(b []byte, m marker, length int64) []byte {
	from := len(b)
	b = append(b, m[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[from:], crcTable))
}

var errHead = errors.New("no record begins here, or its head is damaged")

// parseFrameHead gives the number of bytes behind the head.
func parseFrameHead(b []byte, m marker) (int64, error) {
	length := int64(binary.LittleEndian.Uint32(b[8:]))
	if marker(b[:8]) != m || crc32.Checksum(b[:12], crcTable) != binary.LittleEndian.Uint32(b[12:]) || length > maxFrame {
		return 0, errHead
	}
	return length, nil
}

// openRecord leaves room for the head of a record; its payload is appended behind it and closeRecord fills the head in.
func openRecord(b []byte) []byte { return append(b, make([]byte, recordHead)...) }

// closeRecord completes the record that begins at from and reaches to the end of b.
func closeRecord(b []byte, from int, kind byte) []byte {
	r := b[from:]
	binary.LittleEndian.PutUint32(r[4:], uint32(kind)<<kindShift|uint32(len(r)-recordHead))
	binary.LittleEndian.PutUint32(r, crc32.Checksum(r[4:], crcTable))
	return b
}

// recordLength reads kind and length of the payload from a record's head. Nothing is checked yet but the bound.
func recordLength(head []byte) (kind byte, length int64, err error) {
	word := binary.LittleEndian.Uint32(head[4:])
	length = int64(word & (1<<kindShift - 1))
	if length > maxRecord {
		return 0, 0, errHead
	}
	return byte(word >> kindShift), length, nil
}

var errRecordCRC = errors.New("the record's checksum is wrong")

// fits reports whether a record is not too large to be read back.
func fits(r []byte) bool { return len(r) <= recordHead+maxRecord }

// checkRecord verifies a whole record.
func checkRecord(r []byte) error {
	if crc32.Checksum(r[4:], crcTable) != binary.LittleEndian.Uint32(r) {
		return errRecordCRC
	}
	return nil
}

// text says where the text of a message is and what it must be.
type text struct {
	size int64
	crc  uint32
	file uint64 // number of its own file; 0: it stands behind its record
}

// inline is the number of bytes that stand behind the record.
func (t text) inline() int64 {
	if t.file != 0 {
		return 0
	}
	return t.size
}

// record is one parsed record.
type record struct {
	kind    byte
	id      queue.ID
	text    text       // ACCEPT
	item    queue.Item // ACCEPT
	changes []change   // STATE
	refs    []uint32   // DONE and DELETE: other segments that hold an ACCEPT which this record ends
}

// change is the new state of one recipient; its address is empty, since that never changes.
type change struct {
	index     int
	recipient queue.Recipient
}

func appendAccept(b []byte, it *queue.Item, t text) []byte {
	from := len(b)
	b = openRecord(b)
	b = binary.AppendUvarint(b, uint64(t.size))
	b = binary.LittleEndian.AppendUint32(b, t.crc)
	b = binary.AppendUvarint(b, t.file)
	b = appendItem(b, it)
	return closeRecord(b, from, recAccept)
}

func appendState(b []byte, id queue.ID, updates []queue.RecipientUpdate) []byte {
	from := len(b)
	b = binary.LittleEndian.AppendUint64(openRecord(b), uint64(id))
	b = binary.AppendUvarint(b, uint64(len(updates)))
	var last evidence
	for i := range updates {
		b = binary.AppendUvarint(b, uint64(updates[i].Index))
		b = appendProgress(b, &updates[i].Recipient, &last)
	}
	return closeRecord(b, from, recState)
}

func appendEnd(b []byte, kind byte, id queue.ID, refs []uint32) []byte {
	from := len(b)
	b = binary.LittleEndian.AppendUint64(openRecord(b), uint64(id))
	b = binary.AppendUvarint(b, uint64(len(refs)))
	for _, seq := range refs {
		b = binary.AppendUvarint(b, uint64(seq))
	}
	return closeRecord(b, from, kind)
}

// parseRecord reads a record that checkRecord found whole.
func parseRecord(b []byte) (record, error) {
	d := decoder{s: string(b[recordHead:])} // one copy; the strings of the record point into it
	r := record{kind: b[7] >> (kindShift - 24)}
	switch r.kind {
	case recAccept:
		r.text = text{size: int64(d.uvarint()), crc: d.fixed32(), file: d.uvarint()}
		r.item = d.item()
		r.id = r.item.ID
		d.bad = d.bad || r.text.size < 0 || r.item.Done()
	case recState:
		r.id = queue.ID(d.fixed64())
		var last evidence
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			c := change{index: int(min(d.uvarint(), 1<<31))}
			d.progress(&c.recipient, &last)
			r.changes = append(r.changes, c)
		}
	case recDone, recDelete:
		r.id = queue.ID(d.fixed64())
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			r.refs = append(r.refs, uint32(d.uvarint()))
		}
	default:
		return r, errCodec
	}
	if d.bad || len(d.s) > 0 || r.id == 0 {
		return r, errCodec
	}
	return r, nil
}
