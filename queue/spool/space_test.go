package spool

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/queue/storetest"
)

// Segments go when their messages are done, the oldest first, and an ended message never comes back.
func TestTrim(t *testing.T) {
	m := newMachine(t, 1000)
	s := open(t, m)
	text := strings.Repeat("x", 300)
	for i := 1; i <= 30; i++ {
		must(t, put(s, testItem(i), text))
	}
	many := s.Stats().Segments
	for i := 2; i <= 30; i++ {
		must(t, finish(s, i))
	}
	if n := s.Stats().Segments; n < many {
		t.Fatalf("%d of %d segments: one went although the oldest message is still there", n, many)
	}
	m.PowerCut(storetest.KeepNothing)
	s.Close()
	s = open(t, m)
	wantIDs(t, s, 1)
	must(t, finish(s, 1))
	must(t, put(s, testItem(31), text))
	if n := s.Stats().Segments; n > 2 {
		t.Errorf("%d segments for one message", n)
	}
	must(t, s.Close())
	s = open(t, m)
	wantIDs(t, s, 31)
}

func TestTrimFails(t *testing.T) {
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
	if n := s.Stats().Segments; n < before {
		t.Errorf("%d of %d segments are left although none could be removed", n, before)
	}
	wantIDs(t, s, 20)
	m.noTidy = nil
	must(t, put(s, testItem(21), "text"))
	must(t, remove(s, 21))
	if n := s.Stats().Segments; n < before {
		t.Errorf("%d of %d segments: one was removed although an earlier removal may not be durable", n, before)
	}
	m.PowerCut(storetest.KeepSome)
	s.Close()
	s = open(t, m)
	wantIDs(t, s, 20)
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
	if n := s.Stats().Segments; n < before {
		t.Errorf("%d of %d segments are left", n, before)
	}
	must(t, s.Close())
	s = open(t, m)
	wantIDs(t, s)
	if n := s.Stats().Segments; n > 1 {
		t.Errorf("%d segments of an empty queue after a sound start", n)
	}
}
