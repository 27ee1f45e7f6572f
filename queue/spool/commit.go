package spool

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tlsrelay/queue"
)

// request is one Commit on its way through the writer, with all that can be worked out before its turn.
type request struct {
	batch   *queue.Batch
	puts    []preparedPut
	updates []preparedUpdate
	moves   []move // copies of what is in a segment that shall go
	change  func() // another change to the index or the segments, and nothing else
	size    int64  // the most bytes it takes in a segment
	done    chan error
}

// preparedPut is one message to add.
type preparedPut struct {
	id     queue.ID
	record []byte
	text   text
	body   *body
	rcpts  []brief
}

// preparedUpdate is one update; record is its STATE, which becomes a DONE if nothing is left.
type preparedUpdate struct {
	record []byte
	rcpts  []brief
}

// endSize is room for a DONE or DELETE record that names a few segments.
const endSize = recordHead + 8 + 24

// Commit implements [queue.Store]. Once the writer has taken the batch up, the end of ctx no longer stops it: the
// caller is owed the truth about what is on disk. An error that is neither ErrGone, ErrFull nor ErrClosed comes from
// the disk or from a batch that makes no sense. Bodies of a refused batch are the caller's again.
func (s *Store) Commit(ctx context.Context, b *queue.Batch) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	r, err := s.prepare(b)
	if err == nil {
		err = s.submit(ctx, r)
	}
	for i := range r.puts {
		r.puts[i].body.settle(err == nil)
	}
	return err
}

// submit hands r to the writer and waits for its answer.
func (s *Store) submit(ctx context.Context, r *request) error {
	if err := s.intake.add(r); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if s.intake.withdraw(r) {
			return ctx.Err()
		}
		return <-r.done
	}
}

// change has the writer make a change to the index or the segments, under mu. It needs no disk.
func (s *Store) change(do func()) error {
	return s.submit(background, &request{change: do, done: make(chan error, 1)})
}

// prepare does all that needs no lock in the caller's goroutine, and seizes the bodies: after an error, too, those in
// r.puts are to be settled.
func (s *Store) prepare(b *queue.Batch) (*request, error) {
	r := &request{batch: b, done: make(chan error, 1)}
	r.size = frameHead + int64(len(b.Delete))*endSize
	for i := range b.Put {
		p, err := s.preparePut(&b.Put[i])
		if err != nil {
			return r, err
		}
		r.puts = append(r.puts, p)
		if !fits(p.record) {
			return r, fmt.Errorf("spool: put %s: the envelope is too large (%d bytes)", p.id, len(p.record))
		}
		r.size += int64(len(p.record)) + p.text.inline()
	}
	for i := range b.Update {
		u := prepareUpdate(&b.Update[i])
		if !fits(u.record) {
			return r, fmt.Errorf("spool: update %s: the outcomes are too large (%d bytes)", b.Update[i].Job.ID, len(u.record))
		}
		r.updates = append(r.updates, u)
		r.size += max(int64(len(u.record)), endSize)
	}
	if r.size > maxFrame {
		return r, fmt.Errorf("spool: the batch is too large (%d bytes)", r.size)
	}
	return r, nil
}

func (s *Store) preparePut(q *queue.Put) (preparedPut, error) {
	if q.Item.ID == 0 {
		return preparedPut{}, errors.New("spool: put: the item has no ID")
	}
	if q.Item.Done() {
		return preparedPut{}, fmt.Errorf("spool: put %s: no recipient is left to deliver to", q.Item.ID)
	}
	b, ok := q.Body.(*body)
	if !ok || b.store != s {
		return preparedPut{}, fmt.Errorf("spool: put %s: the body is not of this store", q.Item.ID)
	}
	t, err := b.seize()
	if err != nil {
		return preparedPut{}, err
	}
	p := preparedPut{id: q.Item.ID, text: t, body: b, rcpts: briefs(q.Item.Recipients)}
	p.record = appendAccept(make([]byte, 0, 256), &q.Item, t)
	return p, nil
}

func briefs(recipients []queue.Recipient) []brief {
	all := make([]brief, len(recipients))
	for i := range recipients {
		all[i] = newBrief(i, &recipients[i])
	}
	return all
}

func prepareUpdate(q *queue.Update) preparedUpdate {
	if len(q.Recipients) == 0 {
		return preparedUpdate{} // only gives the claim up
	}
	u := preparedUpdate{
		record: appendState(make([]byte, 0, 512), q.Job.ID, q.Recipients),
		rcpts:  make([]brief, len(q.Recipients)),
	}
	for i := range q.Recipients {
		u.rcpts[i] = newBrief(q.Recipients[i].Index, &q.Recipients[i].Recipient)
	}
	return u
}

// fresh reports whether the request brings new mail, which is refused when space is short. A notice comes with the
// update that it is about and is none.
func (r *request) fresh() bool { return len(r.puts) > 0 && len(r.updates) == 0 }

// intake is where batches gather while the writer is busy with those before.
type intake struct {
	mu      sync.Mutex
	arrived sync.Cond // of mu
	waiting []*request
	closed  bool
}

func (in *intake) add(r *request) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return queue.ErrClosed
	}
	in.waiting = append(in.waiting, r)
	in.arrived.Signal()
	return nil
}

// withdraw takes r back, and reports whether the writer had not taken it up yet.
func (in *intake) withdraw(r *request) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i, w := range in.waiting {
		if w == r {
			in.waiting = append(in.waiting[:i], in.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// take waits for batches and gives those that are there, up to about limit bytes. None: closed, and all are done.
func (in *intake) take(limit int64) []*request {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.waiting) == 0 && !in.closed {
		in.arrived.Wait()
	}
	n := 0
	for size := int64(0); n < len(in.waiting) && (n == 0 || size+in.waiting[n].size <= limit); n++ {
		size += in.waiting[n].size
	}
	group := in.waiting[:n:n]
	in.waiting = append([]*request(nil), in.waiting[n:]...)
	return group
}

// close lets no more batches in. Those that wait are still done.
func (in *intake) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.arrived.Signal()
}
