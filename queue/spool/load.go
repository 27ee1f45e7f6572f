package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"tlsrelay/queue"
)

// view is what the index said of a message at one moment.
type view struct {
	entry
	slots []slot
	file  uint64 // number of the text's own file, 0: none
}

// look copies what the index has of a message. The caller holds mu, for reading at least.
func (s *Store) look(id queue.ID) (view, bool) {
	e := s.index.get(id)
	if e == nil {
		return view{}, false
	}
	return s.viewOf(e), true
}

func (s *Store) viewOf(e *entry) view {
	return view{entry: *e, slots: slices.Clone(s.index.slots(e)), file: s.texts[e.id]}
}

// same reports whether v is still what the index has. The caller is the writer, or holds mu.
func (s *Store) same(v *view) bool {
	e := s.index.get(v.id)
	return e != nil && e.accept == v.accept && slices.Equal(s.index.slots(e), v.slots)
}

// pull reads the item of a message from disk: its ACCEPT, and the latest STATE of each recipient. Segments may be copied
// and unlinked meanwhile, so a failure counts only if the index still says the same afterwards.
func (s *Store) pull(v view) (queue.Item, record, error) {
	for {
		it, accept, err := s.tryPull(&v)
		if err == nil {
			return it, accept, nil
		}
		s.mu.RLock()
		now, there := s.look(v.id)
		same := there && s.same(&v)
		s.mu.RUnlock()
		if !there {
			return it, accept, goneError(v.id)
		}
		var state *stateError
		switch {
		case !same:
			v = now
		case errors.As(err, &state) && isDamage(err):
			if err := s.disregard(&v, state); err != nil {
				return it, accept, err
			}
		default:
			return it, accept, fmt.Errorf("spool: message %s: %w", v.id, err)
		}
	}
}

// stateError is trouble with the STATE record at a place.
type stateError struct {
	place
	err error
}

func (e *stateError) Error() string { return e.err.Error() }
func (e *stateError) Unwrap() error { return e.err }

func (s *Store) tryPull(v *view) (queue.Item, record, error) {
	accept, err := s.readRecord(v.accept, recAccept, v.id)
	if err != nil {
		return queue.Item{}, accept, err
	}
	it := accept.item
	if len(it.Recipients) != len(v.slots) {
		return it, accept, s.placeError(v.accept, errCodec)
	}
	var state record
	var at place
	for i := range v.slots {
		p := v.slots[i].state
		if p == (place{}) {
			v.slots[i].amend(&it.Recipients[i])
			continue
		}
		if p != at {
			if state, err = s.readRecord(p, recState, v.id); err != nil {
				return it, accept, &stateError{p, err}
			}
			at = p
		}
		for _, c := range state.changes {
			if c.index == i {
				r := &it.Recipients[i]
				c.recipient.Address, c.recipient.Destination = r.Address, r.Destination
				c.recipient.Notify, c.recipient.OriginalRecipient = r.Notify, r.OriginalRecipient
				*r = c.recipient
			}
		}
	}
	return it, accept, nil
}

// firstRead is how much is read in the hope that a whole record is in it.
const firstRead = 768

// readRecord reads the record at p, which must be of the kind and about the message.
func (s *Store) readRecord(p place, kind byte, id queue.ID) (record, error) {
	h, err := s.files.get(p.seg)
	if err != nil {
		return record{}, s.placeError(p, err)
	}
	defer s.files.put(h)
	var first [firstRead]byte
	b, err := readRecordAt(h, int64(p.off), first[:])
	if err != nil {
		return record{}, s.placeError(p, err)
	}
	r, err := parseRecord(b)
	if err == nil && (r.kind != kind || r.id != id) {
		err = errCodec
	}
	if err != nil {
		return record{}, s.placeError(p, err)
	}
	return r, nil
}

// readRecordAt reads a whole record and checks it. buf is memory to use if the record fits in.
func readRecordAt(f io.ReaderAt, off int64, buf []byte) ([]byte, error) {
	n, err := f.ReadAt(buf, off)
	if err != nil && err != io.EOF { // the trouble may lie behind the record
		n, err = f.ReadAt(buf[:recordHead], off)
	}
	if n < recordHead {
		return nil, noEOF(err)
	}
	_, length, err := recordLength(buf)
	if err != nil {
		return nil, err
	}
	whole := recordHead + int(length)
	if whole > len(buf) {
		buf = append(make([]byte, 0, whole), buf[:n]...)[:whole]
	}
	if whole > n {
		if more, err := f.ReadAt(buf[n:whole], off+int64(n)); more < whole-n {
			return nil, noEOF(err)
		}
	}
	return buf[:whole], checkRecord(buf[:whole])
}

// noEOF is for places where the file should go on.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// placeError says where on disk something went wrong.
func (s *Store) placeError(p place, err error) error {
	return fmt.Errorf("%s at %d: %w", segmentName(p.seg), p.off, err)
}

// isDamage reports whether what was read is not what was written: another try would not help.
func isDamage(err error) bool {
	return errors.Is(err, errRecordCRC) || errors.Is(err, errCodec) || errors.Is(err, errHead) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errTextCRC)
}

// lose has a message taken out of the index whose envelope is damaged: nobody can deliver or bounce it. Its segment will
// be set aside for a person to look at, and a text in a file of its own is at once. Without a hint the next start finds the
// damage, too.
func (s *Store) lose(v view, err error) {
	s.log.Error("spool: a message is damaged and out of the queue; its file is set aside when the other mail in it is done",
		"id", v.id, "error", err)
	lost := false
	s.change(func() {
		if lost = s.same(&v); lost {
			s.tarnish(s.segment(v.accept.seg))
			delete(s.texts, v.id)
			s.forget(v.id)
		}
	})
	s.dir.Remove(hintName(v.accept.seg))
	if lost && v.file != 0 {
		s.setTextAside(v.file)
	}
}

// disregard is told that a STATE record is damaged. Of what it said the index knows when the recipients are due and
// which are done; the rest is as their ACCEPT has it.
func (s *Store) disregard(v *view, damage *stateError) error {
	s.log.Error("spool: what became of some recipients of a message is damaged; their attempts so far are forgotten",
		"id", v.id, "error", damage)
	err := s.change(func() {
		if !s.same(v) {
			return
		}
		s.tarnish(s.segment(damage.seg))
		slots := s.index.slots(s.index.get(v.id))
		for i := range slots {
			if slot := &slots[i]; slot.state == damage.place {
				s.release(slot.state, slot.bytes())
				slot.set(slot.due, slot.done(), place{}, 0)
			}
		}
	})
	s.dir.Remove(hintName(damage.seg))
	return err
}
