package spool

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"tlsrelay/queue"
)

// scanStep is how many items Scan decodes at a time: it holds writers up for some ten microseconds.
const scanStep = 64

func goneError(id queue.ID) error { return fmt.Errorf("message %s: %w", id, queue.ErrGone) }

// Get implements [queue.Store]. As in Scan, recipients of claimed jobs are shown as Active.
func (s *Store) Get(ctx context.Context, id queue.ID) (queue.Item, error) {
	if err := s.usable(ctx); err != nil {
		return queue.Item{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.index.get(id)
	if e == nil {
		return queue.Item{}, goneError(id)
	}
	return s.view(e)
}

// Scan implements [queue.Store].
func (s *Store) Scan(ctx context.Context, after queue.ID, limit int) ([]queue.Item, error) {
	var items []queue.Item
	for limit > len(items) {
		if err := s.usable(ctx); err != nil {
			return nil, err
		}
		step := min(limit-len(items), scanStep)
		page, err := s.scanPage(after, step)
		if err != nil {
			return nil, err
		}
		items = append(items, page...)
		if len(page) < step {
			break
		}
		after = page[len(page)-1].ID
	}
	return items, nil
}

func (s *Store) scanPage(after queue.ID, limit int) ([]queue.Item, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var page []queue.Item
	for _, e := range s.index.after(after, limit) {
		it, err := s.view(e)
		if err != nil {
			return nil, err
		}
		page = append(page, it)
	}
	return page, nil
}

// view decodes e and marks what is claimed. The caller holds mu.
func (s *Store) view(e *entry) (queue.Item, error) {
	it, err := decodeItem(e.item)
	if err != nil {
		return queue.Item{}, fmt.Errorf("spool: message %s: %w", e.id, err)
	}
	for i := range it.Recipients {
		r := &it.Recipients[i]
		if _, claimed := s.claims[queue.JobKey{ID: e.id, Destination: r.Destination}]; claimed && !r.State.Done() {
			r.State = queue.Active
		}
	}
	return it, nil
}

// Open implements [queue.Store]. The reader has the segment open by itself: it may be read to the end although the
// message is done meanwhile and the segment unlinked, or the store closed. Content that is not what was stored ends in
// an error instead of io.EOF.
func (s *Store) Open(ctx context.Context, id queue.ID) (io.ReadCloser, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	e := s.index.get(id)
	s.mu.RUnlock()
	if e == nil {
		return nil, goneError(id)
	}
	f, err := s.dir.Open(e.body.seg.name())
	if err != nil {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.index.get(id) == nil { // done since, and its segment unlinked
			return nil, goneError(id)
		}
		return nil, fmt.Errorf("spool: message %s: %w", id, err)
	}
	return &reader{file: f, id: id, body: e.body}, nil
}

// reader reads one body.
type reader struct {
	file File
	id   queue.ID
	body place
	done int64 // bytes read
	crc  uint32
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	left := r.body.size - r.done
	if left == 0 {
		if r.crc != r.body.crc {
			return 0, r.error(errors.New("the checksum is wrong"))
		}
		return 0, io.EOF
	}
	if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := r.file.ReadAt(p, r.body.off+r.done)
	r.done += int64(n)
	r.crc = crc32.Update(r.crc, crcTable, p[:n])
	switch {
	case n == len(p):
		return n, nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, r.error(err)
}

func (r *reader) error(err error) error {
	return fmt.Errorf("spool: message %s in %s at %d: %w", r.id, r.body.seg.name(), r.body.off, err)
}

// Close implements [io.Closer].
func (r *reader) Close() error { return r.file.Close() }
