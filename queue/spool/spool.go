package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"tlsrelay/queue"
)

// DefaultSegmentSize is the size in bytes at which the spool goes on in a new file.
const DefaultSegmentSize = 64 << 20

// Options are the settings of a [Store]. The zero value is ready.
type Options struct {
	Log         *slog.Logger // told of damage and faults; nil: slog.Default()
	SegmentSize int64        // in bytes; 0: DefaultSegmentSize
	FS          FS           // nil: the operating system's
}

// Store is a [queue.Store] on append-only files in one directory. Close it to release the directory.
type Store struct {
	dir         Dir
	log         *slog.Logger
	segmentSize int64
	chunks      sync.Pool // of *chunk
	intake      intake
	ended       chan struct{} // closed when the writer has ended
	closing     sync.Once

	// mu guards what follows. Index and segments are changed only by the writer, which therefore reads them without mu.
	mu        sync.RWMutex
	index     index
	claims    map[queue.JobKey]claim
	lastToken queue.Token
	segments  []*segment // by age; the last one is written, or sealed after a fault
	damaged   int
	closed    bool

	// The writer's own.
	file        File // the last segment; nil after a fault until there is a new one
	nextSeq     uint64
	buf         []byte
	trimStopped bool
}

var _ queue.Store = (*Store)(nil)

// Open opens the spool in dir and reads what it holds; an absent directory is created with mode 0700. It refuses, in
// one line, a directory that belongs to another user, that group or others can write to, that another process uses, or
// that a newer version of the program wrote. Damage is logged and counted but never stops the start.
func Open(dir string, opts Options) (*Store, error) {
	s := &Store{
		log:         opts.Log,
		segmentSize: opts.SegmentSize,
		ended:       make(chan struct{}),
		claims:      make(map[queue.JobKey]claim),
	}
	s.intake.arrived.L = &s.intake.mu
	if s.log == nil {
		s.log = slog.Default()
	}
	s.log = s.log.With("spool", dir)
	if s.segmentSize <= 0 {
		s.segmentSize = DefaultSegmentSize
	}
	if opts.FS == nil {
		opts.FS = osFS{}
	}
	var err error
	if s.dir, err = opts.FS.OpenDir(dir); err != nil {
		return nil, err
	}
	if err = s.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %s: %w", dir, err), s.dir.Close())
	}
	go s.run()
	return s, nil
}

// start reads the log and begins a new segment: a recovered one is never written to, its end may be half a batch. On a
// full disk it does without: the queue can be read, and the writer tries again with each batch.
func (s *Store) start() error {
	if err := s.recover(); err != nil {
		return err
	}
	n := len(s.segments)
	for n > 0 && s.segments[n-1].useless() { // of starts that stored nothing
		n--
	}
	unused := s.segments[n:]
	s.segments = s.segments[:n:n]
	if err := s.rotate(); isFull(err) {
		s.log.Error("spool: the disk is full, nothing can be stored", "error", err)
		s.trim()
		return nil
	} else if err != nil {
		return err
	}
	for _, g := range unused { // only now: their headers said where the last used segment ends
		if err := s.dir.Remove(g.name()); err != nil {
			s.log.Warn("spool: could not remove an unused segment", "file", g.name(), "error", err)
		}
	}
	s.trim()
	return nil
}

// usable reports why a method cannot go on: ctx ended, or the store is closed.
func (s *Store) usable(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return queue.ErrClosed
	}
	return ctx.Err()
}

// Close implements [queue.Store]. Readers that are open stay usable. Closing twice is no error.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.intake.close()
		<-s.ended
		if s.file != nil {
			err = s.file.Close()
		}
		s.mu.Lock()
		clear(s.claims)
		s.mu.Unlock()
		err = errors.Join(err, s.dir.Close())
	})
	return err
}

// Stats are counts of a spool at one moment.
type Stats struct {
	Messages int // in the queue
	Segments int // files of the log
	Damaged  int // places found unreadable when the spool was opened
}

// Stats gives the counts as they are now.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Stats{Messages: s.index.count, Segments: len(s.segments), Damaged: s.damaged}
}
