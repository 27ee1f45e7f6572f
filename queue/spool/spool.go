package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"tlsrelay/queue"
)

// DefaultSegmentSize is the size in bytes at which the spool goes on in a new file.
const DefaultSegmentSize = 64 << 20

// defaultMoveRate is how many bytes a second are copied out of spent segments.
const defaultMoveRate = 32 << 20

// Options are the settings of a [Store]. The zero value is ready.
type Options struct {
	Log         *slog.Logger // told of damage and faults; nil: slog.Default()
	FreeSpace   int64        // bytes: new mail is refused while the file system has less
	SegmentSize int64        // bytes; 0: DefaultSegmentSize
	LargeText   int64        // bytes: a longer text gets a file of its own; 0: 1 MiB
	FS          FS           // nil: the operating system's

	idle bool // for tests, which do the background work themselves
}

// Store is a [queue.Store] on append-only files in one directory. Close it to release the directory.
type Store struct {
	dir         Dir
	log         *slog.Logger
	segmentSize int64
	largeText   int64
	freeSpace   int64
	moveRate    int64 // bytes a second that tidy copies; 0: as fast as it can, in a start
	thorough    bool  // reads all, changes nothing: see Check
	found       func(Damage)

	chunks   sync.Pool    // of *chunk
	inMemory atomic.Int64 // bytes in chunks
	files    files
	intake   intake
	closing  sync.Once
	work     chan struct{} // wakes tidy
	quit     chan struct{} // ends tidy
	tidied   chan struct{} // closed when tidy has ended
	short    atomic.Bool   // new mail is refused
	keepAll  atomic.Bool   // after a failure: remove nothing until the next start

	spareWork sync.Mutex // held while the spare is made, used or removed; taken before mu

	// mu guards what follows. All but closed, claims, spare and deadTexts are changed only by the writer, which therefore
	// reads them without mu.
	mu        sync.RWMutex
	index     index
	texts     map[queue.ID]uint64 // files of their own
	deadTexts []uint64            // to be removed
	unsealed  bool                // a batch failed, and no header says yet that it does not count: the next start may find it whole
	claims    map[queue.JobKey]claim
	lastToken queue.Token
	segments  []*segment // by age; the last one is written, or sealed after a fault
	bySeq     map[uint32]*segment
	stale     []uint32  // segments that may hold outdated ACCEPT records, in order
	capacity  int64     // bytes that the last segment has space for
	spare     emptyFile // no File: none
	spareErr  error     // why the last one could not be made
	damaged   int
	closed    bool

	// The writer's own.
	file    File  // the last segment; nil after a fault until there is a new one
	ahead   int64 // where the zeros behind its end end, 0: none were written
	nextSeq uint32
	buf     []byte
	records []byte // memory for small records

	strays map[uint64]bool // texts found at the start that no message has
}

var _ queue.Store = (*Store)(nil)

// Open opens the spool in dir and reads what it holds; an absent directory is created with mode 0700. It refuses, in
// one line, a directory that belongs to another user, that group or others can write to, that another process uses, or
// that another version of the program wrote. Damage is logged and counted but never stops the start.
func Open(dir string, opts Options) (*Store, error) {
	s := newStore(dir, opts)
	if opts.FS == nil {
		opts.FS = osFS{}
	}
	var err error
	if s.dir, err = opts.FS.OpenDir(dir); err != nil {
		return nil, err
	}
	s.files.dir = s.dir
	if err = s.start(); err != nil {
		s.files.close()
		return nil, errors.Join(fmt.Errorf("spool: %s: %w", dir, err), s.dir.Close())
	}
	s.moveRate = defaultMoveRate // the start has not been slowed down
	if opts.idle {
		close(s.tidied)
	} else {
		go s.tidy()
	}
	return s, nil
}

func newStore(dir string, opts Options) *Store {
	s := &Store{
		log:         opts.Log,
		segmentSize: opts.SegmentSize,
		largeText:   opts.LargeText,
		freeSpace:   opts.FreeSpace,
		files:       files{open: make(map[uint32]*handle)},
		work:        make(chan struct{}, 1),
		quit:        make(chan struct{}),
		tidied:      make(chan struct{}),
		texts:       make(map[queue.ID]uint64),
		claims:      make(map[queue.JobKey]claim),
		bySeq:       make(map[uint32]*segment),
	}
	s.intake.idle.L = &s.intake.mu
	if s.log == nil {
		s.log = slog.Default()
	}
	s.log = s.log.With("spool", dir)
	s.found = func(d Damage) {
		line := []any{"file", d.File, "offset", d.Offset, "bytes", d.Bytes, "error", d.Problem}
		if d.ID != 0 {
			line = append(line, "id", d.ID)
		}
		s.log.Warn("spool: damaged record, keeping the rest", line...)
	}
	if s.segmentSize <= 0 {
		s.segmentSize = DefaultSegmentSize
	}
	if s.largeText <= 0 {
		s.largeText = defaultLargeText
	}
	return s
}

// start reads the log and begins a new segment: a recovered one is never written to, its end may be half a batch. On a
// full disk it does without: the queue can be read, and the writer tries again with each batch.
func (s *Store) start() error {
	l, err := list(s.dir)
	if err != nil {
		return err
	}
	if err := s.recover(l); err != nil {
		return err
	}
	if l.spare {
		s.removeSpare() // its space is needed now
	}
	n := len(s.segments)
	for n > 0 && s.segments[n-1].useless() { // of starts that stored nothing
		n--
	}
	unused := slices.Clone(s.segments[n:])
	if err := s.rotate(0); isFull(err) {
		s.log.Error("spool: the disk is full, nothing can be stored", "error", err)
		return nil
	} else if err != nil {
		return err
	}
	if err := s.makeSure(); err != nil {
		s.log.Error("spool: no space to copy what the last process wrote, trying again later", "error", err)
	}
	s.clean(l, unused)
	return nil
}

// clean removes what earlier processes left. Failures are told of and lived with.
func (s *Store) clean(l listing, unused []*segment) {
	for _, g := range unused { // only now: their headers said where the last used segment ends
		if err := s.dir.Remove(g.name()); err != nil { // it goes later, and before the new one, which passes it over
			s.log.Warn("spool: could not remove an unused segment, trying again later", "file", g.name(), "error", err)
			g.overrun = true
			continue
		}
		s.strike(g)
	}
	for _, seq := range l.hints {
		if s.segment(seq) == nil {
			s.dir.Remove(hintName(seq)) // costs nothing if it stays
		}
	}
	if n := len(s.segments) - 2; n >= 0 {
		if g := s.segments[n]; g.size == g.end { // a process that died did not give back the rest of the space, and the zeros
			s.dir.Truncate(g.name(), g.end)
		}
	}
}

// sweepTexts removes texts that no message has: of messages that were never acknowledged, or done. With damage in the log
// they may be of messages that were lost with it: they are set aside.
func (s *Store) sweepTexts() {
	damaged := s.Stats().Damaged > 0
	for number := range s.strays {
		switch {
		case s.keepAll.Load():
		case damaged:
			s.log.Warn("spool: a text without a message; it may be of one that was damaged", "file", textName(number))
			s.setTextAside(number)
		default:
			s.removeText(number)
		}
	}
	s.strays = nil
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
		close(s.quit)
		<-s.tidied
		s.sayEnd()
		s.leave()
		s.mu.Lock()
		clear(s.claims)
		s.mu.Unlock()
		s.dropSpare()
		s.files.close()
		err = s.dir.Close()
	})
	return err
}

// sayEnd makes one more segment, whose header says where the last one ends, and that all in it is on the disk. Without it the next start
// copies what it finds there.
func (s *Store) sayEnd() {
	if s.file == nil || s.active().empty() {
		return
	}
	if err := s.rotate(0); err != nil {
		s.log.Warn("spool: could not say where the log ends; the next start copies its last file", "error", err)
	}
}

// Stats are counts of a spool at one moment.
type Stats struct {
	Messages int // in the queue
	Claimed  int // jobs that somebody works on
	Segments int // files of the log
	Damaged  int // places found unreadable
}

// Stats gives the counts as they are now.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Stats{Messages: s.index.count, Claimed: len(s.claims), Segments: len(s.segments), Damaged: s.damaged}
}

// Free gives how many bytes this user may still take where the spool lies.
func (s *Store) Free() (int64, error) { return s.dir.Free() }
