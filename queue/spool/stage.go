package spool

import (
	"fmt"
	"slices"

	"tlsrelay/queue"
)

// group is what one write and one sync make durable: frames, and the digests of their records, which change the index
// after the sync and not before.
type group struct {
	seg      *segment
	pieces   []piece
	size     int64 // bytes of pieces
	digests  []digest
	pending  map[queue.ID]*pending
	ended    []queue.JobKey // claims that end with it
	requests []*request
	scratch  []byte // memory of small records
}

// piece is something to write: bytes, or a body.
type piece struct {
	bytes []byte
	body  *body
}

// pending is a message as the batches of the group so far leave it.
type pending struct {
	gone   bool
	accept uint32 // segment of its ACCEPT
	slots  []slot
	names  []string // destinations of slots if the index does not know them yet
}

// staging works out one batch against the index and the batches before it in the group. A batch that is refused leaves
// no trace in the group.
type staging struct {
	*Store
	*group
	undo []undo
}

type undo struct {
	id  queue.ID
	was *pending
}

// stage adds r to g, or says why r is refused.
func (s *Store) stage(g *group, r *request) error {
	st := staging{Store: s, group: g}
	pieces, size, digests, ended := len(g.pieces), g.size, len(g.digests), len(g.ended)
	g.pieces = append(g.pieces, piece{})
	g.size += frameHead
	if err := st.batch(r); err != nil {
		s.keepClaims(g.ended[ended:])
		g.pieces, g.size, g.digests, g.ended = g.pieces[:pieces], size, g.digests[:digests], g.ended[:ended]
		for _, u := range slices.Backward(st.undo) {
			g.pending[u.id] = u.was
		}
		return err
	}
	g.requests = append(g.requests, r)
	if length := g.size - size - frameHead; length > 0 {
		from := len(g.scratch)
		g.scratch = appendFrameHead(g.scratch, g.seg.marker, length)
		g.pieces[pieces].bytes = g.scratch[from:]
	} else {
		g.pieces, g.size = g.pieces[:pieces], size
	}
	return nil
}

func (st *staging) batch(r *request) error {
	for i := range r.puts {
		if err := st.put(&r.puts[i]); err != nil {
			return err
		}
	}
	for i := range r.updates {
		if err := st.update(&r.batch.Update[i], &r.updates[i]); err != nil {
			return err
		}
	}
	for i := range r.moves {
		st.move(&r.moves[i])
	}
	if r.batch == nil {
		return nil
	}
	for _, id := range r.batch.Delete {
		if p := st.lookup(id); p != nil {
			st.end(recDelete, id, p)
		}
	}
	return nil
}

// lookup gives a message as it will be when the group so far is durable, nil if there is none. The result is not to be
// changed.
func (st *staging) lookup(id queue.ID) *pending {
	if p, ok := st.pending[id]; ok && p != nil {
		if p.gone {
			return nil
		}
		return p
	}
	e := st.index.get(id)
	if e == nil {
		return nil
	}
	return &pending{accept: e.accept.seg, slots: st.index.slots(e)}
}

// set makes p what lookup gives.
func (st *staging) set(id queue.ID, p *pending) {
	st.undo = append(st.undo, undo{id, st.pending[id]})
	st.pending[id] = p
}

// destination of recipient i.
func (st *staging) destination(p *pending, i int) string {
	if p.names != nil {
		return p.names[i]
	}
	return st.index.names.text(p.slots[i].destination)
}

// record adds a record of a digest, which learns its place, and the text behind it.
func (st *staging) record(d digest, record []byte, b *body, t text) {
	d.off = uint32(st.seg.end + st.size)
	d.size = uint32(int64(len(record)) + t.inline())
	st.pieces = append(st.pieces, piece{bytes: record})
	if b != nil && t.file == 0 {
		st.pieces = append(st.pieces, piece{body: b})
	}
	st.size += int64(d.size)
	st.digests = append(st.digests, d)
}

func (st *staging) put(p *preparedPut) error {
	if st.lookup(p.id) != nil {
		return fmt.Errorf("spool: put %s: there is a message with this ID", p.id)
	}
	st.record(digest{kind: recAccept, id: p.id, file: p.text.file, rcpts: p.rcpts}, p.record, p.body, p.text)
	fresh := &pending{accept: st.seg.seq, slots: make([]slot, len(p.rcpts)), names: make([]string, len(p.rcpts))}
	for i, r := range p.rcpts {
		fresh.slots[i].set(r.due, r.done, place{}, 0)
		fresh.names[i] = r.destination
	}
	st.set(p.id, fresh)
	return nil
}

// update merges the changed recipients into the message as it is now: jobs of other destinations may have changed it
// since the caller claimed its own.
func (st *staging) update(u *queue.Update, prepared *preparedUpdate) error {
	p := st.lookup(u.Job.ID)
	if p == nil || !st.endClaim(u.Job, u.Token) {
		return fmt.Errorf("update %s for %s: %w", u.Job.ID, u.Job.Destination, queue.ErrGone)
	}
	st.ended = append(st.ended, u.Job)
	if len(u.Recipients) == 0 {
		return nil
	}
	next := &pending{accept: p.accept, slots: slices.Clone(p.slots), names: p.names}
	for _, r := range prepared.rcpts {
		if r.index < 0 || r.index >= len(next.slots) || st.destination(p, r.index) != u.Job.Destination {
			return fmt.Errorf("spool: update %s: recipient %d is not of the job for %s", u.Job.ID, r.index, u.Job.Destination)
		}
		next.slots[r.index].set(r.due, r.done, place{}, 0)
	}
	if allDone(next.slots) {
		st.end(recDone, u.Job.ID, next)
		return nil
	}
	st.record(digest{kind: recState, id: u.Job.ID, rcpts: prepared.rcpts}, prepared.record, nil, text{})
	st.set(u.Job.ID, next)
	return nil
}

func allDone(slots []slot) bool {
	for i := range slots {
		if !slots[i].done() {
			return false
		}
	}
	return true
}

// end writes a DONE or DELETE. It names the segments that may hold an ACCEPT of the message: the record must not vanish
// before them, or the message would be back after a start.
func (st *staging) end(kind byte, id queue.ID, p *pending) {
	d := digest{kind: kind, id: id, refs: st.graveRefs(id, p.accept)}
	from := len(st.scratch)
	st.scratch = appendEnd(st.scratch, kind, id, d.refs)
	st.record(d, st.scratch[from:], nil, text{})
	st.set(id, &pending{gone: true})
}

// graveRefs gives the segments other than the one that is written in which an ACCEPT may lie of message id, whose latest
// one is in segment accept: that one, and those from which messages were copied. What was put later than all in a segment
// is not there.
func (st *staging) graveRefs(id queue.ID, accept uint32) []uint32 {
	var refs []uint32
	if accept != st.seg.seq {
		refs = append(refs, accept)
	}
	for _, seq := range st.stale {
		if seq < accept && id <= st.segment(seq).highest {
			refs = append(refs, seq)
		}
	}
	return refs
}
