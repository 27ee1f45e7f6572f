package spool

import (
	"fmt"

	"tlsrelay/queue"
)

// group is what one write and one sync make durable: frames, and the changes to the index that they stand for. The
// index itself is changed only after the sync.
type group struct {
	changes  map[queue.ID]*entry // new entries; nil: gone
	frames   []*frame
	size     int64          // bytes on disk
	ended    []queue.JobKey // claims that end with it
	requests []*request
}

// frame is one batch on its way to disk.
type frame struct {
	meta   []byte // frameHead free bytes, then the records
	bodies []*body
	size   int64    // of the bodies
	puts   []*entry // their places count from the end of meta until the frame has a place itself
}

// staging works out one batch against the index and the batches before it in the group. A batch that is refused leaves
// no trace in the group.
type staging struct {
	*Store
	group *group
	frame
	changes map[queue.ID]*entry
	ended   []queue.JobKey
}

// stage adds r to g, or says why r is refused.
func (s *Store) stage(g *group, r *request) error {
	st := staging{Store: s, group: g, changes: make(map[queue.ID]*entry)}
	st.meta = make([]byte, frameHead, 512)
	err := st.batch(r)
	if err == nil && (len(st.meta) > frameHead+maxMeta || st.size > maxBodies) {
		err = fmt.Errorf("spool: the batch is too large (%d bytes of records, %d bytes of messages)", len(st.meta), st.size)
	}
	if err != nil {
		s.keepClaims(st.ended)
		return err
	}
	for id, e := range st.changes {
		g.changes[id] = e
	}
	g.ended = append(g.ended, st.ended...)
	g.requests = append(g.requests, r)
	if len(st.meta) > frameHead {
		f := st.frame
		g.frames = append(g.frames, &f)
		g.size += int64(len(f.meta)) + f.size
	}
	return nil
}

func (st *staging) batch(r *request) error {
	for i := range r.batch.Put {
		if err := st.put(r.batch.Put[i].Item.ID, r.items[i], r.body[i]); err != nil {
			return err
		}
	}
	for i := range r.batch.Update {
		if err := st.update(&r.batch.Update[i]); err != nil {
			return err
		}
	}
	for _, id := range r.batch.Delete {
		if st.lookup(id) != nil {
			st.meta = appendEnd(st.meta, recDelete, id)
			st.changes[id] = nil
		}
	}
	return nil
}

func (st *staging) lookup(id queue.ID) *entry {
	if e, ok := st.changes[id]; ok {
		return e
	}
	if e, ok := st.group.changes[id]; ok {
		return e
	}
	return st.index.get(id)
}

func (st *staging) put(id queue.ID, item []byte, b *body) error {
	if st.lookup(id) != nil {
		return fmt.Errorf("spool: put %s: there is a message with this ID", id)
	}
	e := &entry{id: id, item: item, body: place{off: st.size, size: b.size, crc: b.crc}}
	st.meta = appendAccept(st.meta, item, b.size, b.crc)
	st.bodies = append(st.bodies, b)
	st.puts = append(st.puts, e)
	st.size += b.size
	st.changes[id] = e
	return nil
}

// update merges the changed recipients into the item as it is now: jobs of other destinations may have changed it since
// the caller claimed its own.
func (st *staging) update(u *queue.Update) error {
	e := st.lookup(u.Job.ID)
	if e == nil || !st.endClaim(u.Job, u.Token) {
		return fmt.Errorf("update %s for %s: %w", u.Job.ID, u.Job.Destination, queue.ErrGone)
	}
	st.ended = append(st.ended, u.Job)
	if len(u.Recipients) == 0 {
		return nil
	}
	it, err := decodeItem(e.item)
	if err != nil {
		return fmt.Errorf("spool: update %s: %w", e.id, err)
	}
	for _, c := range u.Recipients {
		if c.Index < 0 || c.Index >= len(it.Recipients) || it.Recipients[c.Index].Destination != u.Job.Destination {
			return fmt.Errorf("spool: update %s: recipient %d is not of the job for %s", e.id, c.Index, u.Job.Destination)
		}
		it.Recipients[c.Index] = c.Recipient
	}
	if it.Done() {
		st.meta = appendEnd(st.meta, recDone, e.id)
		st.changes[e.id] = nil
		return nil
	}
	st.meta = appendState(st.meta, e.id, u.Recipients)
	st.changes[e.id] = &entry{id: e.id, item: encodeItem(&it), body: e.body}
	return nil
}
