package spool

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"tlsrelay/queue"
)

var background = context.Background()

// moveBatch is about how many bytes are copied at a time, and startBatch while nobody waits for the writer.
const (
	moveBatch  = 256 << 10
	startBatch = 4 << 20
)

// move is one record that goes to the active segment because its own shall go. If the message has changed since it was
// read the writer leaves it out, and another pass finds it as it is then.
type move struct {
	kind   byte
	id     queue.ID
	was    view
	record []byte
	text   []byte // behind an ACCEPT, nil: none, or in a file of its own
	rcpts  []brief
	refs   []uint32
}

// movePasses bounds how often a segment is gone through. A message must change between reading and writing, each time, to
// need another pass.
const movePasses = 10

// evacuate copies all that is needed of g to the active segment. A message is copied whole: text, envelope and state in
// one ACCEPT, which makes all earlier records of it outdated.
func (s *Store) evacuate(g *segment) error {
	s.mu.RLock()
	needed, live := g.needed(), g.live
	done := g.copied || needed == 0 && !g.unsure
	s.mu.RUnlock()
	if done {
		return nil
	}
	if s.lacksSpare() && s.room() < needed+moveReserve {
		return fmt.Errorf("%w: not enough to copy %d bytes", queue.ErrFull, needed)
	}
	for pass := range movePasses {
		e := evacuation{Store: s, seg: g, graves: pass == 0, seen: make(map[queue.ID]bool)}
		err := s.eachDigest(g, e.visit)
		if err == nil {
			err = e.flush()
		}
		if err != nil {
			return err
		}
		s.mu.RLock()
		damaged, graves := g.damaged, g.buried
		live = g.live
		s.mu.RUnlock()
		if pass == 0 && e.buried != graves {
			return fmt.Errorf("of %d bytes of records that end messages, only %d can be read", graves, e.buried)
		}
		if live == 0 {
			return nil
		}
		if damaged {
			break
		}
	}
	return fmt.Errorf("%d bytes are still needed", live)
}

// room is the space in the active segment that is not used yet.
func (s *Store) room() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.capacity - s.active().end
}

// evacuation is one pass over a segment.
type evacuation struct {
	*Store
	seg    *segment
	graves bool              // copy DONE and DELETE records, too
	buried int64             // of those, as the segment counts them
	seen   map[queue.ID]bool // copied in this pass
	moves  []move
	size   int64
}

func (e *evacuation) visit(d *digest) error {
	if e.quitting() {
		return queue.ErrClosed
	}
	switch d.kind {
	case recAccept, recState:
		if err := e.message(d); err != nil {
			return err
		}
	default:
		e.grave(d)
	}
	if e.size >= moveBatch && e.moveRate > 0 || e.size >= startBatch {
		return e.flush()
	}
	return nil
}

// message takes a message along if its ACCEPT in this segment counts, or a STATE here does.
func (e *evacuation) message(d *digest) error {
	if e.seen[d.id] {
		return nil
	}
	e.mu.RLock()
	v, there := e.look(d.id)
	e.mu.RUnlock()
	if !there {
		return nil
	}
	whole := v.accept.seg == e.seg.seq
	var here []int // recipients whose latest STATE is in this segment
	for i := range v.slots {
		if v.slots[i].state.seg == e.seg.seq {
			here = append(here, i)
		}
	}
	if !whole && len(here) == 0 {
		return nil
	}
	e.seen[d.id] = true
	it, accept, err := e.pull(v)
	if errors.Is(err, queue.ErrGone) {
		return nil
	}
	if err != nil && isDamage(err) {
		e.lose(v, err)
		return nil
	}
	if err != nil {
		return err
	}
	if !whole {
		e.moveState(v, &it, here)
		return nil
	}
	return e.moveMessage(v, &it, accept.text)
}

// moveMessage copies a message. One whose text is damaged stays where it is: its sender can still be told, also after
// a start, unless that finds no hint and leaves the message out.
func (e *evacuation) moveMessage(v view, it *queue.Item, t text) error {
	m := move{kind: recAccept, id: v.id, was: v, record: appendAccept(nil, it, t), rcpts: briefs(it.Recipients)}
	if !fits(m.record) { // with all that became of its recipients
		return fmt.Errorf("the envelope of message %s is too large (%d bytes)", v.id, len(m.record))
	}
	if t.file == 0 {
		var err error
		if m.text, err = e.readText(&v, t); isDamage(err) {
			e.log.Error("spool: the text of a message is damaged", "id", v.id, "error", err)
			return e.change(func() { e.tarnish(e.seg) })
		} else if err != nil {
			return err
		}
	}
	e.add(m)
	return nil
}

func (e *evacuation) moveState(v view, it *queue.Item, recipients []int) {
	var u []queue.RecipientUpdate
	for _, i := range recipients {
		u = append(u, queue.RecipientUpdate{Index: i, Recipient: it.Recipients[i]})
	}
	m := move{kind: recState, id: v.id, was: v, record: appendState(nil, v.id, u)}
	for i := range u {
		m.rcpts = append(m.rcpts, newBrief(u[i].Index, &u[i].Recipient))
	}
	e.add(m)
}

// readText reads the text behind an ACCEPT.
func (e *evacuation) readText(v *view, t text) ([]byte, error) {
	h, err := e.files.get(v.accept.seg)
	if err != nil {
		return nil, e.placeError(v.accept, err)
	}
	defer e.files.put(h)
	b := make([]byte, t.size)
	if len(b) > 0 {
		if _, err := h.ReadAt(b, int64(v.accept.off)+int64(v.size)-t.size); err != nil {
			return nil, e.placeError(v.accept, noEOF(err))
		}
	}
	if crc32.Checksum(b, crcTable) != t.crc {
		return nil, e.placeError(v.accept, errTextCRC)
	}
	return b, nil
}

// grave takes a DONE or DELETE along while another segment may hold the ACCEPT that it ends, or this one without the record.
func (e *evacuation) grave(d *digest) {
	if !e.graves {
		return
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	refs := slices.DeleteFunc(slices.Clone(d.refs), func(seq uint32) bool {
		return seq == e.seg.seq || e.segment(seq) == nil
	})
	e.buried += int64(len(refs)) * int64(d.size)
	if e.seg.unsure { // where the record may be lost, and the ACCEPT before it not
		refs = append(refs, e.seg.seq)
	}
	if len(refs) > 0 {
		e.add(move{kind: d.kind, id: d.id, refs: refs, record: appendEnd(nil, d.kind, d.id, refs)})
	}
}

func (e *evacuation) add(m move) {
	e.moves = append(e.moves, m)
	e.size += int64(len(m.record) + len(m.text))
}

// flush has the writer copy what was collected.
func (e *evacuation) flush() error {
	if len(e.moves) == 0 {
		return nil
	}
	n := e.size
	if !e.makeSpare() && e.room() < n+moveReserve {
		return fmt.Errorf("%w: copying leaves the rest to results of deliveries", queue.ErrFull)
	}
	err := e.submit(background, &request{moves: e.moves, size: frameHead + n, done: make(chan error, 1)})
	e.moves, e.size = nil, 0
	if err == nil {
		e.pause(n)
	}
	return err
}

// move stages one copy.
func (st *staging) move(m *move) {
	if m.kind == recAccept || m.kind == recState {
		if p := st.pending[m.id]; p != nil || !st.same(&m.was) {
			return // changed meanwhile
		}
		accept := m.was.accept.seg
		if m.kind == recAccept {
			st.mu.Lock()
			st.markStale(st.segment(accept)) // before the first record that could end the copy
			st.mu.Unlock()
			accept = st.seg.seq
		}
		st.set(m.id, &pending{accept: accept, slots: m.was.slots})
	}
	refs := slices.DeleteFunc(m.refs, func(seq uint32) bool { return seq == st.seg.seq })
	d := digest{kind: m.kind, id: m.id, rcpts: m.rcpts, refs: refs, file: m.was.file}
	st.record(d, m.record, nil, text{})
	if len(m.text) > 0 {
		st.pieces = append(st.pieces, piece{bytes: m.text})
		st.size += int64(len(m.text))
		st.digests[len(st.digests)-1].size += uint32(len(m.text))
	}
}
