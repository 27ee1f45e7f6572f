package spool

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/queue"
)

// books compares what the segments count as needed with what the index holds there, and the index with itself. The caller
// sees to it that the writer is idle, or holds mu.
func (s *Store) books() error {
	live := make(map[uint32]int64)
	uses := make(map[uint32]int)
	groups, count := 0, 0
	last := queue.ID(0)
	for _, b := range s.index.blocks {
		for i := range b {
			e := &b[i]
			if count++; e.id <= last {
				return fmt.Errorf("message %s stands behind %s", e.id, last)
			}
			last = e.id
			live[e.accept.seg] += int64(e.size)
			if e.group != 0 {
				groups++
			}
			slots := s.index.slots(e)
			if allDone(slots) {
				return fmt.Errorf("message %s is done and there", e.id)
			}
			for _, slot := range slots {
				uses[slot.destination]++
				if slot.state != (place{}) {
					live[slot.state.seg] += int64(slot.bytes())
				}
			}
		}
	}
	if count != s.index.count || groups != len(s.index.groups.slots)-len(s.index.groups.free) {
		return fmt.Errorf("%d messages, counted %d; %d groups", count, s.index.count, groups)
	}
	for number, name := range s.index.names.names {
		if name.uses != uses[uint32(number)] {
			return fmt.Errorf("destination %q has %d uses, counted %d", name.text, uses[uint32(number)], name.uses)
		}
	}
	for id := range s.texts {
		if s.index.get(id) == nil {
			return fmt.Errorf("a text of message %s, which is not there", id)
		}
	}
	return s.segmentBooks(live)
}

func (s *Store) segmentBooks(live map[uint32]int64) error {
	if len(s.segments) != len(s.bySeq) {
		return fmt.Errorf("%d segments, %d by number", len(s.segments), len(s.bySeq))
	}
	for _, g := range s.segments {
		if g.live != live[g.seq] {
			return fmt.Errorf("segment %d counts %d bytes, the index has %d there", g.seq, g.live, live[g.seq])
		}
		delete(live, g.seq)
		var buried int64
		for ref, n := range g.graves {
			if s.segment(ref) == nil || ref == g.seq {
				return fmt.Errorf("segment %d has graves for %d, which is not there", g.seq, ref)
			}
			buried += n
		}
		if buried != g.buried {
			return fmt.Errorf("segment %d counts %d bytes of graves and has %d", g.seq, g.buried, buried)
		}
		if g.stale != slices.Contains(s.stale, g.seq) {
			return fmt.Errorf("segment %d is stale: %v, listed: %v", g.seq, g.stale, s.stale)
		}
	}
	if len(live) > 0 {
		return fmt.Errorf("records of messages are in segments that are not there: %v", slices.Collect(maps.Keys(live)))
	}
	return nil
}

// checked is a store that checks its books as it goes.
type checked struct {
	*Store
	machine checkedMachine
	commits int // with one client
}

func (s *checked) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.books(); err != nil {
		s.machine.t.Error(err)
	}
}

// Scan checks the books before each listing from the front.
func (s *checked) Scan(ctx context.Context, after queue.ID, limit int) ([]queue.Item, error) {
	if after == 0 {
		s.check()
	}
	return s.Store.Scan(ctx, after, limit)
}

// Commit checks now and then what a start would find.
func (s *checked) Commit(ctx context.Context, b *queue.Batch) error {
	err := s.Store.Commit(ctx, b)
	if err == nil && s.machine.alone {
		if s.commits++; s.commits%5 == 0 {
			s.checkStart()
		}
	}
	return err
}

// checkStart has another store start on what is durable now, and compares the two. Nobody commits meanwhile.
func (s *checked) checkStart() {
	s.machine.t.Helper()
	m := s.machine.clone()
	m.opts.LargeText = 1000
	log := &bytes.Buffer{}
	m.opts.Log = slog.New(slog.NewTextHandler(log, nil))
	o, err := Open("mem", m.opts)
	if err != nil {
		s.machine.t.Error(err)
		return
	}
	defer o.Close()
	if err := o.books(); err != nil {
		s.machine.t.Error(err)
	}
	if o.damaged > 0 {
		s.machine.t.Errorf("%d damaged places: %s", o.damaged, log)
	}
	o.tidyOnce()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if diff := cmp.Diff(s.ids(), o.ids()); diff != "" {
		s.machine.t.Errorf("what a start finds (-want +got):\n%s", diff)
	}
}

func (s *Store) ids() (ids []queue.ID) {
	s.index.after(0, s.index.count, func(e *entry) { ids = append(ids, e.id) })
	return ids
}

// checkedMachine gives stores that check themselves.
type checkedMachine struct {
	*memFS
	t     *testing.T
	alone bool // there is one client
}

func (m checkedMachine) Open() (queue.Store, error) {
	s, err := Open("mem", m.opts)
	if err != nil {
		return nil, err
	}
	return &checked{Store: s, machine: m}, nil
}
