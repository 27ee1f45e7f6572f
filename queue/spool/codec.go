package spool

import (
	"encoding/binary"
	"errors"
	"time"

	"tlsrelay/queue"
)

// itemVersion is the first byte of an encoded item.
const itemVersion = 3

var errCodec = errors.New("the record's content makes no sense")

// Bits of an item's flags; from returnShift on stands Return.
const (
	flagEightBit = 0x01
	flagSMTPUTF8 = 0x02
	flagSecure   = 0x04 // RequireTLS
	returnShift  = 3
	itemBits     = 0x1f
)

// Bits of a recipient's first byte; the lowest two are the state.
const (
	stateMask     = 0x03
	flagDelayTold = 0x04
	flagTLSFailed = 0x08
	flagLast      = 0x10 // an outcome follows
	flagEvidence  = 0x20 // evidence follows
	flagSame      = 0x40 // it is the evidence that came last in this record
	recipientBits = 0x7f
)

// Bits of an outcome's first byte; the lowest two are the result.
const (
	resultMask  = 0x03
	flagBroken  = 0x04
	flagDSN     = 0x08
	flagProven  = 0x10
	outcomeBits = 0x1f
)

// appendItem encodes it. States are stored as they are on stable storage: nothing is Active there.
func appendItem(b []byte, it *queue.Item) []byte {
	b = append(b, itemVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(it.ID))
	b = append(b, boolBit(it.EightBit, flagEightBit)|boolBit(it.SMTPUTF8, flagSMTPUTF8)|
		boolBit(it.RequireTLS, flagSecure)|byte(it.Return)<<returnShift)
	b = binary.AppendVarint(b, it.Size)
	b = appendString(b, it.Sender)
	b = appendString(b, it.EnvelopeID)
	b = appendTime(b, it.Arrived)
	b = appendTime(b, it.Expires)
	b = appendString(b, it.Account)
	b = appendString(b, it.Client)
	b = appendString(b, it.Header)
	b = binary.AppendUvarint(b, uint64(len(it.Recipients)))
	var last evidence
	for i := range it.Recipients {
		b = appendRecipient(b, &it.Recipients[i], &last)
	}
	return b
}

func appendRecipient(b []byte, r *queue.Recipient, last *evidence) []byte {
	b = appendString(b, r.Address)
	b = appendString(b, r.Destination)
	b = append(b, byte(r.Notify))
	b = appendString(b, r.OriginalRecipient)
	return appendProgress(b, r, last)
}

// appendProgress encodes what changes of a recipient: all but its part of the envelope. last is the evidence that came last in
// the record.
func appendProgress(b []byte, r *queue.Recipient, last *evidence) []byte {
	state := r.State
	if state == queue.Active || state > queue.Failed {
		state = queue.Queued
	}
	tried := r.Last != queue.Outcome{}
	b = append(b, byte(state)|boolBit(r.DelayTold, flagDelayTold)|boolBit(r.TLSFailed, flagTLSFailed)|
		boolBit(tried, flagLast)|last.flag(r.Evidence))
	b = binary.AppendVarint(b, int64(r.Attempts))
	b = appendTime(b, r.NextAttempt)
	if tried {
		b = appendOutcome(b, &r.Last)
	}
	return last.append(b, r.Evidence)
}

func appendOutcome(b []byte, o *queue.Outcome) []byte {
	result := o.Result
	if result > queue.ResultFailed {
		result = queue.ResultDeferred
	}
	b = append(b, byte(result)|boolBit(o.TLS.Broken, flagBroken)|boolBit(o.DSN, flagDSN)|
		boolBit(o.TLS.Proven, flagProven))
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

// item is the reverse of appendItem. It reads whatever a disk may hold: no length is trusted.
func (d *decoder) item() queue.Item {
	if d.byte() != itemVersion {
		d.bad = true
		return queue.Item{}
	}
	it := queue.Item{ID: queue.ID(d.fixed64())}
	flags := d.byte()
	it.EightBit = flags&flagEightBit != 0
	it.SMTPUTF8 = flags&flagSMTPUTF8 != 0
	it.RequireTLS = flags&flagSecure != 0
	it.Return = queue.Return(flags >> returnShift)
	d.bad = d.bad || flags&^itemBits != 0 || it.Return > queue.ReturnHeaders
	it.Size = d.varint()
	it.Sender = d.string()
	it.EnvelopeID = d.string()
	it.Arrived = d.time()
	it.Expires = d.time()
	it.Account = d.string()
	it.Client = d.string()
	it.Header = d.string()
	n := d.uvarint()
	if n > uint64(len(d.s)/minRecipient) {
		d.bad = true
		return it
	}
	it.Recipients = make([]queue.Recipient, n)
	var last evidence
	for i := range it.Recipients {
		it.Recipients[i].Address = d.string()
		it.Recipients[i].Destination = d.string()
		it.Recipients[i].Notify = queue.Notify(d.byte())
		it.Recipients[i].OriginalRecipient = d.string()
		d.bad = d.bad || !it.Recipients[i].Notify.Valid()
		d.progress(&it.Recipients[i], &last)
	}
	return it
}

// minRecipient is the size of the smallest encoded recipient: an upper bound on how many can follow.
const minRecipient = 8

// progress is the reverse of appendProgress. Its part of the envelope stays.
func (d *decoder) progress(r *queue.Recipient, last *evidence) {
	flags := d.byte()
	r.State = queue.State(flags & stateMask)
	r.DelayTold = flags&flagDelayTold != 0
	r.TLSFailed = flags&flagTLSFailed != 0
	d.bad = d.bad || flags&^recipientBits != 0 || r.State == queue.Active
	r.Attempts = int(d.varint())
	r.NextAttempt = d.time()
	r.Last = queue.Outcome{}
	if flags&flagLast != 0 {
		r.Last = d.outcome()
	}
	r.Evidence = d.evidence(flags, last)
}

func (d *decoder) outcome() queue.Outcome {
	flags := d.byte()
	o := queue.Outcome{Result: queue.Result(flags & resultMask)}
	d.bad = d.bad || flags&^outcomeBits != 0 || o.Result > queue.ResultFailed
	o.TLS.Broken = flags&flagBroken != 0
	o.TLS.Proven = flags&flagProven != 0
	o.DSN = flags&flagDSN != 0
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
