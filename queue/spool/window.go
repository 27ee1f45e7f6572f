package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	windowSize = 256 << 10 // bytes read at a time
	sectorSize = 4 << 10   // bytes given up around a place the disk cannot read
)

// window reads one segment through a buffer.
type window struct {
	file File
	size int64 // bytes that count
	off  int64 // of buf in the file
	buf  []byte

	faulty bool // the disk could not read something
}

// at gives n bytes from off on; they are valid until the next call.
func (w *window) at(off, n int64) ([]byte, error) {
	if n > w.size-off {
		return nil, io.ErrUnexpectedEOF
	}
	if off < w.off || off+n > w.off+int64(len(w.buf)) {
		err := w.fill(off, min(max(n, windowSize), w.size-off))
		if err != nil && n < windowSize {
			err = w.fill(off, n) // the trouble may lie behind what is asked for
		}
		if err != nil {
			w.faulty = w.faulty || err != io.ErrUnexpectedEOF
			return nil, err
		}
	}
	return w.buf[off-w.off:][:n], nil
}

func (w *window) fill(off, n int64) error {
	if int64(cap(w.buf)) < n {
		w.buf = make([]byte, n)
	}
	w.off, w.buf = off, w.buf[:n]
	got, err := w.file.ReadAt(w.buf, off)
	if int64(got) == n {
		return nil
	}
	w.buf = w.buf[:0]
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

var (
	errCutOff  = errors.New("the record is cut off")
	errMetaCRC = errors.New("the record's checksum is wrong")
)

// frame reads and checks the frame at off, records and bodies. It gives the frame's size on disk and its records.
func (w *window) frame(m marker, off int64) (size int64, meta string, err error) {
	if w.size-off < frameHead {
		return 0, "", errCutOff
	}
	b, err := w.at(off, frameHead)
	if err != nil {
		return 0, "", err
	}
	h, err := parseHead(b, m)
	if err != nil {
		return 0, "", err
	}
	if h.size() > w.size-off {
		return 0, "", errCutOff
	}
	if b, err = w.at(off+frameHead, h.meta); err != nil {
		return 0, "", err
	}
	if crc32.Checksum(b, crcTable) != h.metaCRC {
		return 0, "", errMetaCRC
	}
	meta = string(b)
	body, end := off+frameHead+h.meta, off+h.size()
	err = eachRecord(meta, func(r record) error {
		body += r.bodySize
		if body > end {
			return errCodec
		}
		return w.checkAccept(r, body-r.bodySize)
	})
	if err == nil && body != end {
		err = errCodec
	}
	return h.size(), meta, err
}

// checkAccept checks an ACCEPT record whose body begins at off; other records have no more to check.
func (w *window) checkAccept(r record, off int64) error {
	if r.kind != recAccept {
		return nil
	}
	it, err := decodeItem(r.item)
	if err != nil || it.Done() {
		return errCodec
	}
	crc := uint32(0)
	for left := r.bodySize; left > 0; {
		n := min(left, windowSize)
		b, err := w.at(off, n)
		if err != nil {
			return fmt.Errorf("the text of message %s: %w", r.id, err)
		}
		crc = crc32.Update(crc, crcTable, b)
		off, left = off+n, left-n
	}
	if crc != r.bodyCRC {
		return fmt.Errorf("the text of message %s: the checksum is wrong", r.id)
	}
	return nil
}

// find gives the first place from off on where a frame may begin. What the disk cannot read is stepped over.
func (w *window) find(m marker, off int64) (int64, bool) {
	for off+frameHead <= w.size {
		n := min(windowSize/4, w.size-off)
		b, err := w.at(off, n)
		if err != nil {
			n = min(sectorSize, n)
			if b, err = w.at(off, n); err != nil {
				off += n
				continue
			}
		}
		if i := bytes.Index(b, m[:]); i >= 0 {
			return off + int64(i), true
		}
		off += n - int64(len(m)) + 1
	}
	return 0, false
}

// region is a run of bytes in a segment that makes no sense.
type region struct {
	from, to int64
	why      error
}

// scan calls visit for each good frame in order and damage for each region between good frames that is none. It gives
// the end of the last good frame, and what stands behind that, if anything does.
func (w *window) scan(m marker, visit func(off int64, meta string), damage func(region)) (end int64, tail *region) {
	end = headerSize
	for off := end; off < w.size; {
		size, meta, err := w.frame(m, off)
		if err != nil {
			if tail == nil {
				tail = &region{from: off, to: w.size, why: err}
			}
			next, ok := w.find(m, off+1)
			if !ok {
				break
			}
			off = next
			continue
		}
		if tail != nil {
			tail.to = off
			damage(*tail)
			tail = nil
		}
		visit(off, meta)
		off += size
		end = off
	}
	return end, tail
}
