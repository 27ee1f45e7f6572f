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

// submit has r written, and gives the answer. Who finds nobody writing is the writer for one group, with r in it: a lone
// caller needs no other goroutine. What gathers meanwhile is left to one that works for nobody else.
func (s *Store) submit(ctx context.Context, r *request) error {
	writer, err := s.intake.add(r)
	if err != nil {
		return err
	}
	if writer && s.writeGroup() {
		go s.run()
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

// intake is where batches gather while those before are written.
type intake struct {
	mu      sync.Mutex
	idle    sync.Cond // of mu: nobody writes any more
	waiting []*request
	writing bool // there is a writer, who takes what waits
	closed  bool
}

// add puts r in line, and reports whether the caller is the writer now.
func (in *intake) add(r *request) (writer bool, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return false, queue.ErrClosed
	}
	in.waiting = append(in.waiting, r)
	writer = !in.writing
	in.writing = true
	return writer, nil
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

// take gives the writer the batches that are there, up to about limit bytes.
func (in *intake) take(limit int64) []*request {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := 0
	for size := int64(0); n < len(in.waiting) && (n == 0 || size+in.waiting[n].size <= limit); n++ {
		size += in.waiting[n].size
	}
	group := in.waiting[:n:n]
	in.waiting = append([]*request(nil), in.waiting[n:]...)
	return group
}

// more reports whether something waits for the writer, who else is it no longer.
func (in *intake) more() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.waiting) > 0 {
		return true
	}
	in.writing = false
	in.idle.Broadcast()
	return false
}

// close lets no more batches in, and waits for those that are there.
func (in *intake) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	for in.writing {
		in.idle.Wait()
	}
}
