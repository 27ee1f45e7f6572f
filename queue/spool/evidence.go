package spool

import (
	"encoding/binary"
	"slices"

	"tlsrelay/queue"
)

// evidence is the evidence that came last in a record, whether it is written or read. That of the recipients of one job is the same: it
// stands there once, and is one slice in memory.
type evidence []queue.Evidence

// flag gives the bit of a recipient's first byte that says what append will do.
func (last evidence) flag(e []queue.Evidence) byte {
	switch {
	case len(e) == 0:
		return 0
	case last.is(e):
		return flagSame
	}
	return flagEvidence
}

func (last evidence) is(e []queue.Evidence) bool {
	return len(last) == len(e) && (&last[0] == &e[0] || slices.Equal(last, e))
}

// append encodes e, unless there is none or it was the last.
func (last *evidence) append(b []byte, e []queue.Evidence) []byte {
	if len(e) == 0 || last.is(e) {
		return b
	}
	*last = e
	b = binary.AppendUvarint(b, uint64(len(e)))
	for i := range e {
		b = appendEvidence(b, &e[i])
	}
	return b
}

func appendEvidence(b []byte, e *queue.Evidence) []byte {
	b = append(b, boolBit(e.Proven, 1))
	for _, s := range [...]string{e.Host, e.Remote, e.Cause, e.Seen, e.Needed, e.Offers, e.KeyExchange, e.Certificate.Names,
		e.Certificate.Issuer} {
		b = appendString(b, s)
	}
	b = appendTime(b, e.Probed)
	b = appendTime(b, e.Certificate.NotBefore)
	b = appendTime(b, e.Certificate.NotAfter)
	b = appendTime(b, e.First)
	b = appendTime(b, e.Last)
	return binary.AppendVarint(b, int64(e.Attempts))
}

// minEvidence is the size of the smallest encoded entry: an upper bound on how many can follow.
const minEvidence = 21

// evidence is the reverse of append; flags is the recipient's first byte.
func (d *decoder) evidence(flags byte, last *evidence) []queue.Evidence {
	switch flags & (flagEvidence | flagSame) {
	case 0:
		return nil
	case flagSame:
		d.bad = d.bad || len(*last) == 0
		return *last
	case flagEvidence:
	default:
		d.bad = true
		return nil
	}
	n := d.uvarint()
	if n == 0 || n > uint64(len(d.s)/minEvidence) {
		d.bad = true
		return nil
	}
	*last = make(evidence, n)
	for i := range *last {
		(*last)[i] = d.oneEvidence()
	}
	return *last
}

func (d *decoder) oneEvidence() queue.Evidence {
	proven := d.byte()
	d.bad = d.bad || proven > 1
	e := queue.Evidence{Proven: proven == 1}
	for _, s := range [...]*string{&e.Host, &e.Remote, &e.Cause, &e.Seen, &e.Needed, &e.Offers, &e.KeyExchange, &e.Certificate.Names,
		&e.Certificate.Issuer} {
		*s = d.string()
	}
	e.Probed = d.time()
	e.Certificate.NotBefore = d.time()
	e.Certificate.NotAfter = d.time()
	e.First = d.time()
	e.Last = d.time()
	e.Attempts = int(d.varint())
	return e
}
