package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"tlsrelay/queue"
)

// itemVersion is the first byte of an encoded item.
const itemVersion = 1

var errCodec = errors.New("the record's content makes no sense")

// Bits of a recipient's first byte; the lowest two are the state.
const (
	stateMask     = 0x03
	flagDelayTold = 0x04
	flagTLSFailed = 0x08
	flagLast      = 0x10 // an outcome follows
	recipientBits = 0x1f
)

// Bits of an outcome's first byte; the lowest two are the result.
const (
	resultMask  = 0x03
	flagBroken  = 0x04
	outcomeBits = 0x07
)

// encodeItem encodes it into memory of just its size: the index keeps it.
func encodeItem(it *queue.Item) []byte {
	var scratch [1 << 10]byte
	return bytes.Clone(appendItem(scratch[:0], it))
}

// appendItem encodes it. States are stored as they are on stable storage: nothing is Active there.
func appendItem(b []byte, it *queue.Item) []byte {
	b = append(b, itemVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(it.ID))
	b = append(b, boolBit(it.EightBit, 1))
	b = binary.AppendVarint(b, it.Size)
	b = appendString(b, it.Sender)
	b = appendTime(b, it.Arrived)
	b = appendTime(b, it.Expires)
	b = appendString(b, it.Account)
	b = appendString(b, it.Client)
	b = binary.AppendUvarint(b, uint64(len(it.Recipients)))
	for i := range it.Recipients {
		b = appendRecipient(b, &it.Recipients[i])
	}
	return b
}

func appendRecipient(b []byte, r *queue.Recipient) []byte {
	state := r.State
	if state == queue.Active || state > queue.Failed {
		state = queue.Queued
	}
	tried := r.Last != queue.Outcome{}
	b = append(b, byte(state)|boolBit(r.DelayTold, flagDelayTold)|boolBit(r.TLSFailed, flagTLSFailed)|
		boolBit(tried, flagLast))
	b = appendString(b, r.Address)
	b = appendString(b, r.Destination)
	b = binary.AppendVarint(b, int64(r.Attempts))
	b = appendTime(b, r.NextAttempt)
	if tried {
		b = appendOutcome(b, &r.Last)
	}
	return b
}

func appendOutcome(b []byte, o *queue.Outcome) []byte {
	result := o.Result
	if result > queue.ResultFailed {
		result = queue.ResultDeferred
	}
	b = append(b, byte(result)|boolBit(o.TLS.Broken, flagBroken))
	for _, s := range [...]string{o.Cause, o.Status, string(o.Stage), o.Reply, o.Detail, o.Host, o.Remote,
		o.TLS.Version, o.TLS.Cipher, o.TLS.Group, o.TLS.Seen, o.TLS.Floor} {
		b = appendString(b, s)
	}
	b = appendTime(b, o.Start)
	return appendTime(b, o.End)
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendTime stores seconds since 1970 and nanoseconds; the zone is lost, times come back in UTC.
func appendTime(b []byte, t time.Time) []byte {
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

func boolBit(v bool, bit byte) byte {
	if v {
		return bit
	}
	return 0
}

// itemID gives the ID of an encoded item without decoding the rest.
func itemID(b []byte) (queue.ID, error) {
	if len(b) < 9 || b[0] != itemVersion {
		return 0, errCodec
	}
	return queue.ID(binary.LittleEndian.Uint64(b[1:])), nil
}

// decodeItem is the reverse of appendItem. It reads whatever a disk may hold: no length is trusted.
func decodeItem(b []byte) (queue.Item, error) {
	d := decoder{s: string(b)} // one copy; all strings of the item point into it
	if d.byte() != itemVersion {
		return queue.Item{}, errCodec
	}
	it := queue.Item{ID: queue.ID(d.fixed64())}
	flags := d.byte()
	it.EightBit = flags&1 != 0
	it.Size = d.varint()
	it.Sender = d.string()
	it.Arrived = d.time()
	it.Expires = d.time()
	it.Account = d.string()
	it.Client = d.string()
	n := d.uvarint()
	if flags > 1 || n > uint64(len(d.s)/minRecipient) {
		return queue.Item{}, errCodec
	}
	it.Recipients = make([]queue.Recipient, 0, min(n, 1024))
	for ; n > 0 && !d.bad; n-- {
		it.Recipients = append(it.Recipients, d.recipient())
	}
	if d.bad || len(d.s) > 0 || it.ID == 0 {
		return queue.Item{}, errCodec
	}
	return it, nil
}

// minRecipient is the size of the smallest encoded recipient: an upper bound on how many can follow.
const minRecipient = 6

func (d *decoder) recipient() queue.Recipient {
	flags := d.byte()
	r := queue.Recipient{
		State:     queue.State(flags & stateMask),
		DelayTold: flags&flagDelayTold != 0,
		TLSFailed: flags&flagTLSFailed != 0,
	}
	d.bad = d.bad || flags&^recipientBits != 0 || r.State == queue.Active
	r.Address = d.string()
	r.Destination = d.string()
	r.Attempts = int(d.varint())
	r.NextAttempt = d.time()
	if flags&flagLast != 0 {
		r.Last = d.outcome()
	}
	return r
}

func (d *decoder) outcome() queue.Outcome {
	flags := d.byte()
	o := queue.Outcome{Result: queue.Result(flags & resultMask)}
	d.bad = d.bad || flags&^outcomeBits != 0 || o.Result > queue.ResultFailed
	o.TLS.Broken = flags&flagBroken != 0
	var stage string
	for _, s := range [...]*string{&o.Cause, &o.Status, &stage, &o.Reply, &o.Detail, &o.Host, &o.Remote,
		&o.TLS.Version, &o.TLS.Cipher, &o.TLS.Group, &o.TLS.Seen, &o.TLS.Floor} {
		*s = d.string()
	}
	o.Stage = queue.Stage(stage)
	o.Start = d.time()
	o.End = d.time()
	return o
}
