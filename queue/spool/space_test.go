package spool

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/queue/storetest"
)

// Segments go when their messages are done, whichever they are, and an ended message never comes back.
func TestSegmentsGo(t *testing.T) {
	m := newMachine(t, 1000)
	s := open(t, m)
	text := strings.Repeat("x", 300)
	for i := 1; i <= 30; i++ {
		must(t, put(s, testItem(i), text))
	}
	s.tidyOnce()
	many := s.Stats().Segments
	for i := 1; i <= 30; i++ {
		if i%10 != 0 {
			must(t, finish(s, i))
		}
	}
	s.tidyOnce()
	if n := s.Stats().Segments; n > many/2 {
		t.Errorf("%d of %d segments are left for 3 of 30 messages", n, many)
	}
	m.PowerCut(storetest.KeepNothing)
	s.Close()
	s = open(t, m)
	wantIDs(t, s, 10, 20, 30)
	for _, id := range []queue.ID{10, 20, 30} {
		checkText(t, s, id, text)
	}
	must(t, finish(s, 10))
	must(t, remove(s, 30))
	must(t, put(s, testItem(31), text))
	s.tidyOnce()
	if n := s.Stats().Segments; n > 3 {
		t.Errorf("%d segments for two messages", n)
	}
	must(t, s.Close())
	s = open(t, m)
	wantIDs(t, s, 20, 31)
}

func TestRemovalFails(t *testing.T) {
	m := newMachine(t, 1000)
	s := open(t, m)
	for i := 1; i <= 20; i++ {
		must(t, put(s, testItem(i), strings.Repeat("x", 300)))
	}
	m.noTidy = errors.New("no removal")
	before := s.Stats().Segments
	for i := 1; i < 20; i++ {
		must(t, finish(s, i))
	}
	s.tidyOnce()
	if n := s.Stats().Segments; n < before {
		t.Errorf("%d of %d segments are left although none could be removed", n, before)
	}
	wantIDs(t, s, 20)
	m.noTidy = nil
	must(t, put(s, testItem(21), "text"))
	must(t, remove(s, 21))
	s.tidyOnce()
	if n := s.Stats().Segments; n < before {
		t.Errorf("%d of %d segments: one was removed although an earlier removal may not be durable", n, before)
	}
	m.PowerCut(storetest.KeepSome)
	s.Close()
	s = open(t, m)
	wantIDs(t, s, 20)
	s.tidyOnce()
	if n := s.Stats().Segments; n > 3 {
		t.Errorf("%d segments after a start that could remove", n)
	}
}

func TestDiskFull(t *testing.T) {
	m, _, _ := stored(t, 2)
	m.Fail(0, -1, syscall.ENOSPC)
	s := open(t, m) // what is there can be read
	wantIDs(t, s, 1, 2)
	if err := put(s, testItem(3), "text"); !errors.Is(err, queue.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("error %v", err)
	}
	m.Fail(0, 0, nil)
	must(t, put(s, testItem(3), "text"))
	must(t, finish(s, 1))
	must(t, s.Close())
	wantIDs(t, open(t, m), 2, 3)
}

func TestStartOnBrokenDisk(t *testing.T) {
	m, _, _ := stored(t, 1)
	m.Fail(0, -1, syscall.EIO)
	if _, err := Open("mem", m.opts); !errors.Is(err, syscall.EIO) {
		t.Fatalf("error %v", err)
	}
	m.Fail(0, 0, nil)
	wantIDs(t, open(t, m), 1)
}

// What was read at the start could not be made durable: it counts, but nothing is unlinked on its word.
func TestSyncFailsAtStart(t *testing.T) {
	m := newMachine(t, 1000)
	s := open(t, m)
	for i := 1; i <= 10; i++ {
		must(t, put(s, testItem(i), strings.Repeat("x", 300)))
	}
	must(t, s.Close())
	m.Fail(m.Ops(), 1, syscall.EIO)
	s = open(t, m)
	before := s.Stats().Segments
	for i := 1; i <= 10; i++ {
		must(t, finish(s, i))
	}
	s.tidyOnce()
	if n := s.Stats().Segments; n < before {
		t.Errorf("%d of %d segments are left", n, before)
	}
	must(t, s.Close())
	s = open(t, m)
	wantIDs(t, s)
	s.tidyOnce()
	if n := s.Stats().Segments; n > 1 {
		t.Errorf("%d segments of an empty queue after a sound start", n)
	}
}
