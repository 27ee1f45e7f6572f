package spool

import "sync"

// maxFiles bounds how many segments are open for reading at a time, beside those that are being read.
const maxFiles = 128

// files keeps segments open between reads.
type files struct {
	dir  Dir
	mu   sync.Mutex
	open map[uint32]*handle
	shut bool // what is opened now is not kept
}

// handle is one open segment. Whoever reads counts as a user; it stays open while it has users, whatever becomes of its
// name.
type handle struct {
	File
	users int
	gone  bool // not in files.open any more
}

// get opens a segment or takes the open one. The handle goes back by put.
func (f *files) get(seq uint32) (*handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.open[seq]; h != nil {
		h.users++
		return h, nil
	}
	file, err := f.dir.Open(segmentName(seq))
	if err != nil {
		return nil, err
	}
	if len(f.open) >= maxFiles {
		f.evict()
	}
	h := &handle{File: file, users: 1, gone: f.shut}
	if !f.shut {
		f.open[seq] = h
	}
	return h, nil
}

func (f *files) put(h *handle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.users--; h.users == 0 && h.gone {
		h.File.Close()
	}
}

// evict closes one that nobody reads, any one: the order in which Go walks a map is as good as most.
func (f *files) evict() {
	for seq, h := range f.open {
		if h.users == 0 {
			delete(f.open, seq)
			h.File.Close()
			return
		}
	}
}

// drop forgets a segment that is unlinked.
func (f *files) drop(seq uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(seq)
}

// close forgets all. Those that are being read are closed by their last user.
func (f *files) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shut = true
	for seq := range f.open {
		f.forget(seq)
	}
}

func (f *files) forget(seq uint32) {
	h := f.open[seq]
	if h == nil {
		return
	}
	delete(f.open, seq)
	h.gone = true
	if h.users == 0 {
		h.File.Close()
	}
}
