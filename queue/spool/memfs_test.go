package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/queue/storetest"
)

// memFS is a directory in memory that knows what is durable, fails on demand and can lose its power. It implements
// storetest.Machine.
type memFS struct {
	opts Options

	mu      sync.Mutex
	names   map[string]*memFile
	durable map[string]*memFile
	life    int // of the machine; handles of an earlier one are dead
	locked  bool
	ops     int
	failAt  int
	failFor int
	failErr error
	noTidy  error // what removals answer, nil: they work
	free    int64 // what Free answers
	noSpace bool  // Allocate fails
	abuse   error // a file was written or synced again after a failure
}

// memFile is the content of one file.
type memFile struct {
	data   []byte
	synced []byte
	bad    [2]int64 // reading from the first to before the second of these offsets fails
	failed *memDir  // the process for which a write or sync failed, see fail
}

// fail is what a failed write or sync does: all can read what was written, and no sync to come writes it, not even if it is written once
// more to the same place. Linux does that (TestSyncThatFailed of relay/crashtest).
func (f *memFile) fail(process *memDir) { f.failed = process }

func (f *memFile) sync() {
	if f.failed == nil {
		f.synced = slices.Clone(f.data)
	}
}

const memSector = 16 // small, so that heads and records get torn too

func newMemFS(segmentSize int64) *memFS {
	m := &memFS{names: make(map[string]*memFile), durable: make(map[string]*memFile), free: 1 << 40}
	m.opts = Options{FS: m, SegmentSize: segmentSize, Log: quiet(), idle: true}
	return m
}

// clone copies what is durable to a machine of its own.
func (m *memFS) clone() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newMemFS(m.opts.SegmentSize)
	for name, f := range m.durable {
		cp := &memFile{data: slices.Clone(f.synced), synced: slices.Clone(f.synced)}
		c.names[name], c.durable[name] = cp, cp
	}
	return c
}

func (m *memFS) Open() (queue.Store, error) {
	s, err := Open("mem", m.opts)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (m *memFS) Ops() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

func (m *memFS) Fail(at, times int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failAt, m.failFor, m.failErr = at, times, err
}

func (m *memFS) PowerCut(keep storetest.Keep) {
	m.mu.Lock()
	defer m.mu.Unlock()
	coin := rand.New(rand.NewPCG(uint64(m.ops), 1))
	m.life++
	m.locked, m.failErr = false, nil
	switch keep {
	case storetest.KeepNothing:
		m.names = maps.Clone(m.durable)
	case storetest.KeepSome:
		for _, name := range slices.Sorted(maps.Keys(m.names)) {
			if m.durable[name] != m.names[name] && coin.IntN(2) == 0 {
				delete(m.names, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(m.durable)) {
			if m.names[name] == nil && coin.IntN(2) == 0 {
				m.names[name] = m.durable[name]
			}
		}
	}
	m.durable = maps.Clone(m.names)
	for _, name := range slices.Sorted(maps.Keys(m.names)) {
		m.names[name].powerCut(keep, coin)
	}
}

func (f *memFile) powerCut(keep storetest.Keep, coin *rand.Rand) {
	switch keep {
	case storetest.KeepNothing:
		f.data = f.synced
	case storetest.KeepSome:
		// The length may have reached the disk without the data, and any sector without the others.
		size := len(f.synced)
		if grown := len(f.data) - size; grown > 0 {
			size += coin.IntN(grown + 1)
		} else if coin.IntN(2) == 0 {
			size = len(f.data) // it was cut off
		}
		found := make([]byte, size)
		copy(found, f.synced)
		for at := 0; at < size; at += memSector {
			if end := min(at+memSector, size, len(f.data)); at < end && coin.IntN(2) == 0 {
				copy(found[at:end], f.data[at:])
			}
		}
		f.data = found
	}
	f.synced = slices.Clone(f.data)
	f.failed = nil
}

// step counts one operation and reports the fault it meets. The caller holds mu.
func (m *memFS) step(life int) error {
	if life != m.life {
		return errors.New("a handle of a dead machine")
	}
	m.ops++
	if n := m.ops - 1; m.failErr != nil && n >= m.failAt && (m.failFor < 0 || n < m.failAt+m.failFor) {
		return fmt.Errorf("operation %d: %w", n, m.failErr)
	}
	return nil
}

func (m *memFS) OpenDir(string) (Dir, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked {
		return nil, errors.New("in use")
	}
	m.locked = true
	return &memDir{m, m.life}, nil
}

type memDir struct {
	*memFS
	life int
}

func (d *memDir) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.names)), nil
}

func (d *memDir) Create(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(d.life); err != nil {
		return nil, err
	}
	if d.names[name] != nil {
		return nil, fmt.Errorf("create %s: %w", name, fs.ErrExist)
	}
	f := &memFile{}
	d.names[name] = f
	return &memHandle{d, f, true}, nil
}

func (d *memDir) Open(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	if f == nil {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return &memHandle{d, f, false}, nil
}

func (d *memDir) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(d.life); err != nil {
		return err
	}
	if d.names[from] == nil {
		return fs.ErrNotExist
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	return nil
}

func (d *memDir) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.noTidy != nil {
		return d.noTidy
	}
	if err := d.step(d.life); err != nil {
		return err
	}
	if d.names[name] == nil {
		return fs.ErrNotExist
	}
	delete(d.names, name)
	return nil
}

func (d *memDir) Truncate(name string, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(d.life); err != nil {
		return err
	}
	f := d.names[name]
	if f == nil {
		return fmt.Errorf("truncate %s: %w", name, fs.ErrNotExist)
	}
	if size > int64(len(f.data)) {
		d.abuse = fmt.Errorf("%s was made longer", name)
		return nil
	}
	f.data = f.data[:size]
	return nil
}

func (d *memDir) Free() (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free, nil
}

func (d *memDir) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(d.life); err != nil {
		return err
	}
	d.durable = maps.Clone(d.names)
	return nil
}

func (d *memDir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life == d.memFS.life {
		d.locked = false
	}
	return nil
}

type memHandle struct {
	dir     *memDir
	file    *memFile
	writing bool
}

func (h *memHandle) Close() error { return nil }

func (h *memHandle) Size() (int64, error) {
	h.dir.mu.Lock()
	defer h.dir.mu.Unlock()
	return int64(len(h.file.data)), nil
}

func (h *memHandle) ReadAt(p []byte, off int64) (int, error) {
	h.dir.mu.Lock()
	defer h.dir.mu.Unlock()
	if bad := h.file.bad; off < bad[1] && off+int64(len(p)) > bad[0] {
		return 0, syscall.EIO
	}
	return readAt(h.file.data, p, off)
}

func (h *memHandle) Allocate(int64) error {
	h.dir.mu.Lock()
	defer h.dir.mu.Unlock()
	if h.dir.noSpace {
		return syscall.ENOSPC
	}
	return h.dir.step(h.dir.life)
}

// WriteAt writes the first half when it fails, as a disk that fills up does.
func (h *memHandle) WriteAt(p []byte, off int64) (int, error) {
	h.dir.mu.Lock()
	defer h.dir.mu.Unlock()
	h.watch("written")
	err := h.dir.step(h.dir.life)
	if err != nil {
		p = p[:len(p)/2]
	}
	if h.dir.life == h.dir.memFS.life {
		if grow := int(off) + len(p) - len(h.file.data); grow > 0 {
			h.file.data = append(h.file.data[:len(h.file.data):len(h.file.data)], make([]byte, grow)...)
		}
		copy(h.file.data[off:], p)
		if err != nil {
			h.file.fail(h.dir)
		}
	}
	return len(p), err
}

func (h *memHandle) Sync() error {
	h.dir.mu.Lock()
	defer h.dir.mu.Unlock()
	h.watch("synced")
	if err := h.dir.step(h.dir.life); err != nil {
		if h.dir.life == h.dir.memFS.life {
			h.file.fail(h.dir)
		}
		return err
	}
	h.file.sync()
	return nil
}

// watch notes the breach of a rule: after a failure a file is not touched again by the process that wrote it.
func (h *memHandle) watch(what string) {
	if h.file.failed == h.dir && h.writing && h.dir.life == h.dir.memFS.life {
		h.dir.abuse = fmt.Errorf("a file was %s after a failure", what)
	}
}

func readAt(data, p []byte, off int64) (int, error) {
	if off >= int64(len(data)) {
		return 0, io.EOF
	}
	n := copy(p, data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// newMachine gives a memFS that checks at the end of the test that no failed file was touched again.
func newMachine(t *testing.T, segmentSize int64) *memFS {
	m := newMemFS(segmentSize)
	t.Cleanup(func() {
		if m.abuse != nil {
			t.Error(m.abuse)
		}
	})
	return m
}

// newTidyMachine is one whose stores do their background work by themselves, as in real life, and in which all that is
// done to large texts is done to small ones.
func newTidyMachine(t *testing.T, segmentSize int64) *memFS {
	m := newMachine(t, segmentSize)
	m.opts.idle, m.opts.LargeText = false, 1000
	return m
}
