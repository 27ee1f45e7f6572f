package spool

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/queue/storetest"
)

// untrue has the store copy what is needed of its oldest segment, and the sync after that fail, with all that comes later. The process
// ends, and the next one finds a disk that works, and the copies in the kernel's memory, which takes them for written.
func untrue(t *testing.T, m *memFS, s *Store) *Store {
	t.Helper()
	s.makeSpare()
	s.writeHints()
	m.Fail(m.Ops()+1, -1, errors.New("broken")) // the write goes well
	s.tidyOnce()
	s.Close()
	m.Fail(0, 0, nil)
	return open(t, m)
}

// What a failed sync left is copied by the next start, before what it replaces may go: a message.
func TestFoundMessageIsCopied(t *testing.T) {
	for _, keep := range []storetest.Keep{storetest.KeepNothing, storetest.KeepSome, storetest.KeepAll} {
		m := newMachine(t, 2000)
		s := open(t, m)
		last := fill(t, s, 1)
		for i := 2; i < last; i++ {
			must(t, remove(s, i))
		}
		s = untrue(t, m, s)
		wantIDs(t, s, 1)
		s.tidyOnce()
		m.PowerCut(keep)
		s.Close()
		s = open(t, m)
		wantIDs(t, s, 1)
	}
}

// The same with what became of a recipient. The power goes at each operation of tidy in turn.
func TestFoundStateIsCopied(t *testing.T) {
	for at := range 25 {
		m := newMachine(t, 2000)
		s := open(t, m)
		must(t, put(s, testItem(1), strings.Repeat("x", 900)))
		must(t, defer1(s, 1, "a.example"))
		must(t, s.rotate(0))
		must(t, defer1(s, 1, "a.example"))
		last := fill(t, s, 2)
		for i := 2; i < last; i++ {
			must(t, remove(s, i))
		}
		s = untrue(t, m, s)
		m.Fail(m.Ops()+at, -1, errors.New("off"))
		s.tidyOnce()
		m.PowerCut(storetest.KeepNothing)
		s.Close()
		s = open(t, m)
		if n := attempts(t, s, 1)[0]; n != 2 {
			t.Errorf("power cut at %d: %d attempts, want 2", at, n)
		}
	}
}

// When that cannot be done, nothing is removed, until a start at which it can.
func TestNothingGoesUnlessFoundIsCopied(t *testing.T) {
	kept := 0
	for at := range 16 {
		m := newMachine(t, 2000)
		s := open(t, m)
		last := fill(t, s, 1)
		for i := 2; i < last; i++ {
			must(t, remove(s, i))
		}
		m.PowerCut(storetest.KeepAll)
		s.Close()
		m.Fail(at, 1, syscall.EIO)
		m.ops = 0
		s, err := Open("mem", m.opts)
		if err != nil {
			continue // no segment to write to
		}
		wantIDs(t, s, 1)
		before := s.Stats().Segments
		s.tidyOnce()
		if s.keepAll.Load() {
			kept++
			if n := s.Stats().Segments; n < before {
				t.Errorf("fault at %d: %d segments of %d are left", at, n, before)
			}
		}
		must(t, s.Close())
		s = open(t, m)
		wantIDs(t, s, 1)
		s.tidyOnce()
		if n := s.Stats().Segments; n > 2 {
			t.Errorf("fault at %d: %d segments for one message", at, n)
		}
	}
	if kept == 0 {
		t.Error("no fault had all kept")
	}
}

// A batch that was refused does not come back, when a start could not remove its segment, which the next header passes over.
func TestPassedOverStaysSo(t *testing.T) {
	m := newMachine(t, 2000)
	s := open(t, m)
	must(t, put(s, testItem(1), "stays"))
	must(t, s.rotate(0))
	s.makeSpare()
	m.noTidy = errors.New("no removal")
	m.Fail(m.Ops()+2, 1, syscall.EIO) // write, zeros, sync
	if err := put(s, testItem(2), "refused"); err == nil {
		t.Fatal("not refused")
	}
	must(t, s.Close())
	m.noTidy = nil
	fs := &hookFS{FS: m, before: func(string) {}}
	first := true
	fs.removing = func(name string) {
		if name == segmentName(2) && first {
			first = false
			m.Fail(m.Ops(), 1, syscall.EIO)
		}
	}
	m.opts.FS = fs
	s = open(t, m)
	if first {
		t.Fatal("the start does not remove segment 2")
	}
	wantIDs(t, s, 1)
	last := fill(t, s, 3)
	for i := 3; i < last; i++ {
		must(t, remove(s, i))
	}
	s.tidyOnce()
	must(t, s.Close())
	s = open(t, m)
	if _, err := s.Get(ctx, 2); !errors.Is(err, queue.ErrGone) {
		t.Errorf("the refused message is back: %v", err)
	}
}

// A batch that failed may be whole, and count for the next start, until a header says that it does not: its large text stays until then.
func TestTextOfAFailedBatch(t *testing.T) {
	cameBack, unsealed := 0, 0
	for n := range 24 {
		m := newMachine(t, 5000)
		m.opts.LargeText = 1000
		s := open(t, m)
		must(t, put(s, testItem(1), "first"))
		s.makeSpare()
		body, err := s.NewBody(ctx)
		must(t, err)
		_, err = body.Write(make([]byte, 2000))
		must(t, err)
		m.Fail(m.Ops()+n/2, -1, syscall.EIO)
		err = s.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: testItem(2), Body: body}}})
		m.Fail(0, 0, nil)
		body.Discard()
		switch {
		case err == nil:
		case n%2 == 0: // the process ends
			s.Close()
			s = open(t, m)
			if text, err := readAll(s, 2); err == nil && len(text) == 2000 {
				cameBack++
			}
		default:
			if s.unsealed {
				unsealed++
			}
			must(t, put(s, testItem(3), "third"))
			s.tidyOnce()
			wantIDs(t, s, 1, 3)
			if l, err := list(s.dir); err != nil || len(l.texts) > 0 {
				t.Errorf("fault at %d: %d texts, %v", n/2, len(l.texts), err)
			}
		}
		if damaged := s.Stats().Damaged; damaged > 0 {
			t.Errorf("fault at %d: %d damaged places", n/2, damaged)
		}
	}
	if cameBack == 0 || unsealed == 0 {
		t.Errorf("%d came back, %d were not sealed", cameBack, unsealed)
	}
}

// A message that was ended by what a failed sync left does not come back with a power cut, when a start has shown that it is gone.
func TestFoundEndIsCopied(t *testing.T) {
	for _, other := range []bool{true, false} { // something else is needed there
		m := newMachine(t, 2000)
		s := open(t, m)
		if other {
			must(t, put(s, testItem(1), "stays"))
		}
		must(t, put(s, testItem(2), "goes"))
		m.Fail(m.Ops()+1, -1, errors.New("broken"))
		if err := remove(s, 2); err == nil {
			t.Fatal("not refused")
		}
		s.Close()
		m.Fail(0, 0, nil)
		s = open(t, m)
		m.PowerCut(storetest.KeepNothing)
		s.Close()
		s = open(t, m)
		if _, err := s.Get(ctx, 2); !errors.Is(err, queue.ErrGone) {
			t.Errorf("it is back (%v), %v", other, err)
		}
	}
}

// A process that dies again and again soon after its start leaves no more each time.
func TestDeathsDoNotPileUp(t *testing.T) {
	m := newMachine(t, 1<<20)
	for i := 1; i <= 60; i++ {
		s := open(t, m)
		must(t, put(s, testItem(i), "text"))
		if i > 3 {
			must(t, finish(s, i-3))
		}
		m.PowerCut(storetest.KeepAll)
		s.Close()
	}
	s := open(t, m)
	wantIDs(t, s, 58, 59, 60)
	if end := s.active().end; len(s.segments) > 2 || end > 2000 {
		t.Errorf("%d segments, the last one of %d bytes", len(s.segments), end)
	}
}
