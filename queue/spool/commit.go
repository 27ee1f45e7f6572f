package spool

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tlsrelay/queue"
)

// request is one Commit on its way through the writer.
type request struct {
	batch *queue.Batch
	items [][]byte // batch.Put[i].Item, encoded
	body  []*body  // batch.Put[i].Body
	size  int64    // about what it takes on disk
	done  chan error
}

// Commit implements [queue.Store]. Once the writer has taken the batch up, the end of ctx no longer stops it: the
// caller is owed the truth about what is on disk. An error that is neither ErrGone, ErrFull nor ErrClosed comes from
// the disk or from a batch that makes no sense. Bodies of a refused batch are the caller's again.
func (s *Store) Commit(ctx context.Context, b *queue.Batch) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	r, err := s.prepare(b)
	if err != nil {
		return err
	}
	if err = s.intake.add(r); err == nil {
		select {
		case err = <-r.done:
		case <-ctx.Done():
			if s.intake.withdraw(r) {
				err = ctx.Err()
			} else {
				err = <-r.done
			}
		}
	}
	for _, b := range r.body {
		b.settle(err == nil)
	}
	return err
}

// prepare does all that needs no lock in the caller's goroutine, and seizes the bodies.
func (s *Store) prepare(b *queue.Batch) (*request, error) {
	r := &request{batch: b, done: make(chan error, 1), size: frameHead + int64(16*(len(b.Update)+len(b.Delete)))}
	for i := range b.Put {
		bd, err := s.checkPut(&b.Put[i])
		if err != nil {
			for _, b := range r.body {
				b.settle(false)
			}
			return nil, err
		}
		enc := encodeItem(&b.Put[i].Item)
		r.items = append(r.items, enc)
		r.body = append(r.body, bd)
		r.size += int64(len(enc)) + bd.size
	}
	return r, nil
}

func (s *Store) checkPut(p *queue.Put) (*body, error) {
	if p.Item.ID == 0 {
		return nil, errors.New("spool: put: the item has no ID")
	}
	if p.Item.Done() {
		return nil, fmt.Errorf("spool: put %s: no recipient is left to deliver to", p.Item.ID)
	}
	bd, ok := p.Body.(*body)
	if !ok || bd.store != s {
		return nil, fmt.Errorf("spool: put %s: the body is not of this store", p.Item.ID)
	}
	return bd, bd.seize()
}

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
