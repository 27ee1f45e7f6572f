package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"tlsrelay/queue"
)

// A frame is one committed batch: a head, the records ("meta"), then the bodies of its ACCEPT records.
const (
	frameHead = 28       // marker 8, meta length 4, body length 4, meta CRC 4, reserved 4, head CRC 4
	maxMeta   = 32 << 20 // bytes of records in a frame
	maxBodies = 1 << 30  // bytes of bodies in a frame
)

// Record types.
const (
	recAccept = 1 // body length, body CRC, item
	recState  = 2 // ID, then per changed recipient its index and its new state
	recDone   = 3 // ID: nothing is left to do
	recDelete = 4 // ID: removed by the operator
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// marker opens every frame of one segment. It is drawn by chance for each segment: no message text can hold it, so that
// text is never taken for a frame when recovery looks for the next frame behind a damaged one.
type marker [8]byte

// sealFrame fills in the head of a frame whose first frameHead bytes were left free.
func sealFrame(frame []byte, m marker, bodies int64) {
	copy(frame, m[:])
	meta := frame[frameHead:]
	binary.LittleEndian.PutUint32(frame[8:], uint32(len(meta)))
	binary.LittleEndian.PutUint32(frame[12:], uint32(bodies))
	binary.LittleEndian.PutUint32(frame[16:], crc32.Checksum(meta, crcTable))
	binary.LittleEndian.PutUint32(frame[20:], 0)
	binary.LittleEndian.PutUint32(frame[24:], crc32.Checksum(frame[:24], crcTable))
}

// head is what the head of a frame says.
type head struct {
	meta, bodies int64 // bytes
	metaCRC      uint32
}

func (h head) size() int64 { return frameHead + h.meta + h.bodies }

var errHead = errors.New("no frame begins here, or its head is damaged")

func parseHead(b []byte, m marker) (head, error) {
	if marker(b[:8]) != m || crc32.Checksum(b[:24], crcTable) != binary.LittleEndian.Uint32(b[24:]) {
		return head{}, errHead
	}
	h := head{
		meta:    int64(binary.LittleEndian.Uint32(b[8:])),
		bodies:  int64(binary.LittleEndian.Uint32(b[12:])),
		metaCRC: binary.LittleEndian.Uint32(b[16:]),
	}
	if h.meta > maxMeta || h.bodies > maxBodies {
		return head{}, errHead
	}
	return h, nil
}

// record is one parsed record.
type record struct {
	kind     byte
	id       queue.ID
	item     []byte // ACCEPT: the encoded item
	bodySize int64
	bodyCRC  uint32
	changes  []change // STATE
}

// change is the new state of one recipient.
type change struct {
	index     uint64
	recipient queue.Recipient
}

func appendAccept(b, item []byte, size int64, crc uint32) []byte {
	b = append(b, recAccept)
	b = binary.AppendUvarint(b, uint64(size))
	b = binary.LittleEndian.AppendUint32(b, crc)
	b = binary.AppendUvarint(b, uint64(len(item)))
	return append(b, item...)
}

func appendState(b []byte, id queue.ID, updates []queue.RecipientUpdate) []byte {
	b = append(b, recState)
	b = binary.LittleEndian.AppendUint64(b, uint64(id))
	b = binary.AppendUvarint(b, uint64(len(updates)))
	for i := range updates {
		b = binary.AppendUvarint(b, uint64(updates[i].Index))
		b = appendString(b, string(appendRecipient(nil, &updates[i].Recipient)))
	}
	return b
}

func appendEnd(b []byte, kind byte, id queue.ID) []byte {
	return binary.LittleEndian.AppendUint64(append(b, kind), uint64(id))
}

// eachRecord parses meta record by record and stops at the first error.
func eachRecord(meta string, visit func(record) error) error {
	for d := (decoder{s: meta}); len(d.s) > 0; {
		r := d.record()
		if d.bad {
			return errCodec
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) record() record {
	r := record{kind: d.byte()}
	switch r.kind {
	case recAccept:
		size := d.uvarint()
		d.bad = d.bad || size > maxBodies
		r.bodySize = int64(size)
		r.bodyCRC = d.fixed32()
		r.item = []byte(d.string())
		id, err := itemID(r.item)
		r.id = id
		d.bad = d.bad || err != nil
	case recState:
		r.id = queue.ID(d.fixed64())
		n := d.uvarint()
		for ; n > 0 && !d.bad; n-- {
			c := change{index: d.uvarint()}
			rcpt := decoder{s: d.string()}
			c.recipient = rcpt.recipient()
			d.bad = d.bad || rcpt.bad || len(rcpt.s) > 0
			r.changes = append(r.changes, c)
		}
	case recDone, recDelete:
		r.id = queue.ID(d.fixed64())
	default:
		d.bad = true
	}
	return r
}
