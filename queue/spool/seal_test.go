package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/queue/storetest"
)

// refusePut has the sync fail with which message n is stored: its frame is whole on disk, and refused.
func refusePut(t *testing.T, m *memFS, s *Store, n int) {
	t.Helper()
	m.Fail(m.Ops()+1, 1, syscall.EIO)
	if err := put(s, testItem(n), "refused"); !errors.Is(err, syscall.EIO) {
		t.Fatalf("error %v", err)
	}
	m.Fail(0, 0, nil)
}

// The segment whose header says that a failed batch does not count must not go before the one with that batch.
func TestRefusedBatchStaysAway(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	must(t, put(s, testItem(1), strings.Repeat("x", 300)))
	refusePut(t, m, s, 2)
	must(t, put(s, testItem(3), "text"))
	must(t, s.rotate(0))
	must(t, put(s, testItem(4), "text"))
	must(t, finish(s, 3))
	for range 2 {
		s.tidyOnce()
		m.PowerCut(storetest.KeepAll)
		s.Close()
		s = open(t, m)
		wantIDs(t, s, 1, 4)
	}
	if n := s.Stats().Segments; n > 3 {
		t.Errorf("%d segments", n)
	}
}

// Nor must a batch come back that was refused in the very first segment, when that could not be removed at once.
func TestRefusedFirstBatchStaysAway(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	s.makeSpare()
	m.Fail(m.Ops()+1, 2, syscall.EIO) // the frame is whole; a write behind it and the removal of the file fail
	if err := put(s, testItem(1), "refused"); !errors.Is(err, syscall.EIO) {
		t.Fatalf("error %v", err)
	}
	m.Fail(0, 0, nil)
	must(t, put(s, testItem(2), "text"))
	if m.names[segmentName(1)] == nil {
		t.Fatal("the first segment is gone: this tests nothing")
	}
	for range 2 {
		m.PowerCut(storetest.KeepAll)
		s.Close()
		s = open(t, m)
		wantIDs(t, s, 2)
		s.tidyOnce()
	}
}

// A copy that failed must not bring its message back after that was delivered.
func TestFailedCopyStaysAway(t *testing.T) {
	m := newMachine(t, 2000)
	s := open(t, m)
	next := fill(t, s, 1)
	for i := 2; i < next-1; i++ {
		must(t, finish(s, i))
	}
	m.Fail(m.Ops()+5, 1, syscall.EIO) // the sync of the copy, behind the making of spare and hint
	s.tidyOnce()
	m.Fail(0, 0, nil)
	if v, _ := s.look(1); v.accept.seg != 1 || s.active().seq != 3 {
		t.Fatal("the copy did not fail")
	}
	must(t, finish(s, 1))
	fill(t, s, next)
	for i := next; s.index.get(queue.ID(i)) != nil; i++ {
		must(t, finish(s, i))
	}
	for range 2 {
		s.tidyOnce()
		m.PowerCut(storetest.KeepAll)
		s.Close()
		s = open(t, m)
		wantIDs(t, s, queue.ID(next-1))
	}
}

// gone gives a machine, switched off, whose first segment holds message 1 and whose second, behind that, is gone.
func gone(t *testing.T) *memFS {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	must(t, put(s, testItem(1), strings.Repeat("x", 300)))
	must(t, put(s, testItem(2), strings.Repeat("x", 300)))
	must(t, s.rotate(0))
	must(t, put(s, testItem(3), "text"))
	must(t, s.rotate(0))
	must(t, finish(s, 3))
	must(t, put(s, testItem(4), "text"))
	s.tidyOnce()
	must(t, s.Close())
	if m.names[segmentName(1)] == nil || m.names[segmentName(2)] != nil {
		t.Fatal("not the second segment is gone")
	}
	return m
}

// A hint is used also when the next segment, which said where its own ends, is gone.
func TestHintAfterGap(t *testing.T) {
	m := gone(t)
	m.names[segmentName(1)].bad = [2]int64{headerSize + 8, 1 << 30}
	s := open(t, m)
	if st := s.Stats(); st.Messages != 3 || st.Damaged != 0 {
		t.Errorf("stats %+v", st)
	}
}

// Damage at the end of a segment is told of also when the next one is gone.
func TestDamageBeforeGap(t *testing.T) {
	for name, damage := range map[string]func(*memFile){
		"changed": func(f *memFile) { f.data[len(f.data)-1] ^= 1 },
		"cut off": func(f *memFile) { f.data = f.data[:len(f.data)-1] },
	} {
		m := gone(t)
		delete(m.names, hintName(1))
		damage(m.names[segmentName(1)])
		log := &bytes.Buffer{}
		m.opts.Log = slog.New(slog.NewTextHandler(log, nil))
		s := open(t, m)
		wantIDs(t, s, 1, 4)
		if st := s.Stats(); st.Damaged != 1 {
			t.Errorf("%s: stats %+v, log %s", name, st, log)
		}
	}
}
