package spool

import (
	"context"
	"errors"
	"hash/crc32"
	"sync"

	"tlsrelay/queue"
)

// chunkSize is the unit in which a body takes memory: most messages fit in one.
const chunkSize = 8 << 10

type chunk [chunkSize]byte

// body collects a message in chunks that are used again for the next one.
type body struct {
	store *Store

	mu     sync.Mutex
	state  bodyState
	chunks []*chunk // all full but the last
	size   int64
	crc    uint32
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

// Write implements [io.Writer].
func (b *body) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != bodyOpen {
		return 0, errBodyUsed
	}
	b.crc = crc32.Update(b.crc, crcTable, p)
	for rest := p; len(rest) > 0; {
		at := int(b.size % chunkSize)
		if at == 0 {
			b.chunks = append(b.chunks, b.store.newChunk())
		}
		n := copy(b.chunks[len(b.chunks)-1][at:], rest)
		b.size += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
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
		b.free()
	}
}

// free gives the chunks back. The size stays known.
func (b *body) free() {
	b.state = bodyGone
	for _, c := range b.chunks {
		b.store.chunks.Put(c)
	}
	b.chunks = nil
}

// seize keeps the body unchanged for a commit.
func (b *body) seize() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != bodyOpen {
		return errBodyUsed
	}
	b.state = bodyTaken
	return nil
}

// settle ends a commit: the body is used up if that was done, and the caller's again if it failed.
func (b *body) settle(done bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if done {
		b.free()
	} else {
		b.state = bodyOpen
	}
}

// pieces gives the content in order. It may be called while the body is seized.
func (b *body) pieces(visit func([]byte) error) error {
	for i, c := range b.chunks {
		n := min(b.size-int64(i)*chunkSize, chunkSize)
		if err := visit(c[:n]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) newChunk() *chunk {
	if c, ok := s.chunks.Get().(*chunk); ok {
		return c
	}
	return new(chunk)
}
