package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"tlsrelay/queue"
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
	errCutOff = errors.New("the record is cut off")
	errBlank  = errors.New("there is nothing but zeros")
)

// frame reads and checks the frame at off, records and texts. It gives the frame's size on disk and what its records say.
func (w *window) frame(m marker, off int64) (size int64, digests []digest, err error) {
	if w.size-off < frameHead {
		return 0, nil, errCutOff
	}
	b, err := w.at(off, frameHead)
	if err != nil {
		return 0, nil, err
	}
	length, err := parseFrameHead(b, m)
	if err != nil {
		return 0, nil, err
	}
	end := off + frameHead + length
	if end > w.size {
		return 0, nil, errCutOff
	}
	for at := off + frameHead; at < end; {
		d, err := w.record(at, end)
		if err != nil {
			return 0, nil, err
		}
		digests = append(digests, d)
		at += int64(d.size)
	}
	return frameHead + length, digests, nil
}

// record reads and checks the record at off and the text behind it. All of it must lie before end.
func (w *window) record(off, end int64) (digest, error) {
	if end-off < recordHead {
		return digest{}, errCodec
	}
	b, err := w.at(off, recordHead)
	if err != nil {
		return digest{}, err
	}
	_, length, err := recordLength(b)
	size := recordHead + length
	if err != nil || size > end-off {
		return digest{}, errCodec
	}
	if b, err = w.at(off, size); err == nil {
		err = checkRecord(b)
	}
	if err != nil {
		return digest{}, err
	}
	r, err := parseRecord(b)
	if err != nil || r.text.inline() > end-off-size {
		return digest{}, errCodec
	}
	return digestOf(&r, off, size), w.checkText(&r, off+size)
}

// textError is trouble with a message's text.
type textError struct {
	id  queue.ID
	err error
}

func (e *textError) Error() string { return fmt.Sprintf("the text of message %s: %v", e.id, e.err) }
func (e *textError) Unwrap() error { return e.err }

// checkText checks the text of an ACCEPT that begins at off.
func (w *window) checkText(r *record, off int64) error {
	crc := uint32(0)
	for left := r.text.inline(); left > 0; {
		n := min(left, windowSize)
		b, err := w.at(off, n)
		if err != nil {
			return &textError{r.id, err}
		}
		crc = crc32.Update(crc, crcTable, b)
		off, left = off+n, left-n
	}
	if r.text.file == 0 && crc != r.text.crc {
		return &textError{r.id, errTextCRC}
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

// blank reports whether there is nothing but zeros from off on.
func (w *window) blank(off int64) bool {
	for off < w.size {
		n := min(int64(len(zeros)), w.size-off)
		b, err := w.at(off, n)
		if err != nil || !bytes.Equal(b, zeros[:n]) {
			return false
		}
		off += n
	}
	return true
}

// region is a run of bytes in a segment that makes no sense.
type region struct {
	from, to int64
	why      error
}

// scan calls visit for each good frame in order and damage for each region between good frames that is none. It gives
// the end of the last good frame, and what stands behind that, if anything does.
func (w *window) scan(m marker, visit func([]digest), damage func(region)) (end int64, tail *region) {
	end = headerSize
	for off := end; off < w.size; {
		size, digests, err := w.frame(m, off)
		if err != nil {
			if w.blank(off) {
				err = errBlank
			}
			if tail == nil {
				tail = &region{from: off, to: w.size, why: err}
			}
			if err == errBlank {
				break
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
		visit(digests)
		off += size
		end = off
	}
	return end, tail
}
