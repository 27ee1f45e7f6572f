package spool

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"tlsrelay/queue"
)

// chunkSize is the unit in which a body takes memory: most messages fit in one.
const chunkSize = 8 << 10

type chunk [chunkSize]byte

// What bodies may hold in memory before they go on in files of their own: each, and each once they all hold more than the
// budget together.
const (
	defaultLargeText = 1 << 20
	crowdedText      = 64 << 10
	memoryBudget     = 64 << 20
)

// body collects a message in chunks that are used again for the next one. A large one goes on in a file.
type body struct {
	store *Store

	mu     sync.Mutex
	state  bodyState
	chunks []*chunk // all full but the last
	size   int64
	crc    uint32
	file   *textFile // nil: all is in chunks
}

type bodyState uint8

const (
	bodyOpen  bodyState = iota // may be written, committed or discarded
	bodyTaken                  // in a commit under way
	bodyGone                   // committed or discarded
)

var errBodyUsed = errors.New("spool: the body was already committed or discarded")

// NewBody implements [queue.Store].
func (s *Store) NewBody(ctx context.Context) (queue.Body, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	return &body{store: s}, nil
}

// Write implements [io.Writer]. The error is [queue.ErrFull] if a large body finds no space on disk.
func (b *body) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != bodyOpen {
		return 0, errBodyUsed
	}
	if b.file == nil && b.size+int64(len(p)) > b.store.textLimit() {
		if err := b.spill(); err != nil {
			return 0, storeError(err)
		}
	}
	if b.file != nil {
		if err := b.file.add(p); err != nil {
			return 0, storeError(err)
		}
	} else {
		b.keep(p)
	}
	b.crc = crc32.Update(b.crc, crcTable, p)
	b.size += int64(len(p))
	return len(p), nil
}

// keep copies p into chunks.
func (b *body) keep(p []byte) {
	for at := b.size; len(p) > 0; {
		if at%chunkSize == 0 {
			b.chunks = append(b.chunks, b.store.newChunk())
		}
		n := copy(b.chunks[len(b.chunks)-1][at%chunkSize:], p)
		at += int64(n)
		p = p[n:]
	}
}

// spill moves what is in memory into a file.
func (b *body) spill() error {
	f, err := b.store.createText()
	if err != nil {
		return err
	}
	b.file = f
	if err := b.pieces(f.add); err != nil {
		return err
	}
	b.freeChunks()
	return nil
}

// Size implements [queue.Body].
func (b *body) Size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

// Discard implements [queue.Body].
func (b *body) Discard() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == bodyOpen {
		b.state = bodyGone
		b.freeChunks()
		if b.file != nil {
			b.file.discard()
		}
	}
}

// freeChunks gives the chunks back. The size stays known.
func (b *body) freeChunks() {
	for _, c := range b.chunks {
		b.store.chunks.Put(c)
	}
	b.store.inMemory.Add(-int64(len(b.chunks)) * chunkSize)
	b.chunks = nil
}

// seize keeps the body unchanged for a commit. A file of its own is made durable: it must be before the record that names
// it.
func (b *body) seize() (text, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != bodyOpen {
		return text{}, errBodyUsed
	}
	t := text{size: b.size, crc: b.crc}
	if b.file != nil {
		if err := b.file.finish(); err != nil {
			return text{}, storeError(err)
		}
		t.file = b.file.number
	}
	b.state = bodyTaken
	return t, nil
}

// settle ends a commit: the body is used up if that was done, and the caller's again if it failed.
func (b *body) settle(done bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = bodyOpen
	if done {
		b.state = bodyGone
		b.freeChunks()
	}
}

// pieces gives the content that is in memory, in order. It may be called while the body is seized.
func (b *body) pieces(visit func([]byte) error) error {
	for i, c := range b.chunks {
		n := min(b.size-int64(i)*chunkSize, chunkSize)
		if err := visit(c[:n]); err != nil {
			return err
		}
	}
	return nil
}

// textLimit is how large a body may grow in memory.
func (s *Store) textLimit() int64 {
	if s.inMemory.Load() > memoryBudget {
		return min(s.largeText, crowdedText)
	}
	return s.largeText
}

func (s *Store) newChunk() *chunk {
	s.inMemory.Add(chunkSize)
	if c, ok := s.chunks.Get().(*chunk); ok {
		return c
	}
	return new(chunk)
}

// storeError makes a full disk [queue.ErrFull].
func storeError(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %w", queue.ErrFull, err)
	}
	return fmt.Errorf("spool: not stored: %w", err)
}
