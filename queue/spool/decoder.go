package spool

import "time"

// decoder reads fields off the front of s. After the first field that does not make sense it is bad and gives zeros.
type decoder struct {
	s   string
	bad bool
}

func (d *decoder) take(n uint64) string {
	if d.bad || n > uint64(len(d.s)) {
		d.bad = true
		d.s = ""
		return ""
	}
	head := d.s[:n]
	d.s = d.s[n:]
	return head
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != "" {
		return b[0]
	}
	return 0
}

func (d *decoder) fixed(n int) (v uint64) {
	for i, c := range []byte(d.take(uint64(n))) {
		v |= uint64(c) << (8 * i)
	}
	return v
}

func (d *decoder) fixed32() uint32 { return uint32(d.fixed(4)) }
func (d *decoder) fixed64() uint64 { return d.fixed(8) }

func (d *decoder) uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		c := d.byte()
		if shift == 63 && c > 1 {
			break // over 64 bits
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	d.bad = true
	return 0
}

// varint undoes the zigzag of binary.AppendVarint.
func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) string() string { return d.take(d.uvarint()) }

func (d *decoder) time() time.Time {
	sec, nsec := d.varint(), d.uvarint()
	if nsec >= 1e9 {
		d.bad = true
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}
