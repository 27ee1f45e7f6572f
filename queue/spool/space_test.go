package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
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
	if err := put(s, testItem(3), "text"); !errors.Is(err, queue.ErrFull) {
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

// With less space than configured new mail is refused; results and notices are stored, and mail is taken again when
// there is space.
func TestFreeSpace(t *testing.T) {
	m := newMachine(t, 1<<20)
	m.opts.FreeSpace = 1000
	log := &bytes.Buffer{}
	m.opts.Log = slog.New(slog.NewTextHandler(log, nil))
	s := open(t, m)
	must(t, put(s, testItem(1), "text"))
	must(t, put(s, testItem(2), "text"))
	m.free = 999
	for range 3 {
		if err := put(s, testItem(3), "text"); !errors.Is(err, queue.ErrFull) {
			t.Fatalf("error %v", err)
		}
	}
	if err := s.Room(ctx); !errors.Is(err, queue.ErrFull) || !strings.Contains(err.Error(), "999") {
		t.Errorf("room: %v", err)
	}
	must(t, finish(s, 1))
	must(t, bounce(s, 2, 4))
	m.free = 1000
	must(t, s.Room(ctx))
	must(t, put(s, testItem(3), "text"))
	wantIDs(t, s, 3, 4)
	if n := strings.Count(log.String(), "new mail is refused"); n != 1 {
		t.Errorf("the log says %d times that mail is refused, want once:\n%s", n, log)
	}
	if !strings.Contains(log.String(), "there is space again") {
		t.Errorf("the log does not say that there is space again:\n%s", log)
	}
}

// On a disk that has little more than the limit, space taken in advance does not make new mail refused.
func TestSpaceInAdvance(t *testing.T) {
	const limit = 20e6
	for _, above := range []int64{1e6, 12e6, 70e6, 130e6, 1e9} {
		m := newMachine(t, DefaultSegmentSize)
		m.opts.FreeSpace = limit
		s := open(t, m)
		m.free = limit + above
		m.free -= s.affordable() // a segment
		m.free -= s.affordable() // the spare
		if err := s.lookForRoom(); err != nil {
			t.Errorf("%d bytes above the limit: %v", above, err)
		}
	}
}

// bounce replaces message n by a notice.
func bounce(s *Store, n, notice int) error {
	key := queue.JobKey{ID: queue.ID(n), Destination: "a.example"}
	it, token, err := s.Claim(ctx, "test", key)
	if err != nil {
		return err
	}
	body, err := s.NewBody(ctx)
	if err != nil {
		return err
	}
	defer body.Discard()
	it.Recipients[0].State = queue.Failed
	return s.Commit(ctx, &queue.Batch{
		Put:    []queue.Put{{Item: testItem(notice), Body: body}},
		Update: []queue.Update{{Job: key, Token: token, Recipients: []queue.RecipientUpdate{{Recipient: it.Recipients[0]}}}},
	})
}

// On a disk without any space left the queue drains all the same: results go on in the spare, and each segment that dies
// gives its space back.
func TestFullDiskDrains(t *testing.T) {
	m := newMachine(t, 4000)
	s := open(t, m)
	for i := 1; i <= 40; i++ {
		must(t, put(s, testItem(i), strings.Repeat("x", 300)))
	}
	s.tidyOnce()
	m.noSpace = true
	must(t, put(s, testItem(41), "the spare was made before")) // nothing is short yet
	next := 42
	for ; put(s, testItem(next), strings.Repeat("x", 300)) == nil; next++ {
		s.tidyOnce()
		if next > 100 {
			t.Fatal("mail is taken although there is no space for a spare")
		}
	}
	if err := s.Room(ctx); !errors.Is(err, queue.ErrFull) {
		t.Errorf("room: %v", err)
	}
	for i := 1; i < next; i++ {
		must(t, finish(s, i))
		s.tidyOnce()
	}
	m.noSpace = false
	must(t, s.Room(ctx))
	must(t, put(s, testItem(next), "text"))
	wantIDs(t, s, queue.ID(next))
}

// A disk that has space for a part of a segment gives smaller ones.
func TestSmallDisk(t *testing.T) {
	dir := t.TempDir()
	limited := limitedFS{osFS{}, 700 << 10}
	s, err := Open(dir, Options{FS: limited, Log: quiet(), idle: true})
	must(t, err)
	defer s.Close()
	if s.capacity >= 700<<10 || s.capacity < minSpare {
		t.Errorf("the segment has %d bytes", s.capacity)
	}
	must(t, put(s, testItem(1), strings.Repeat("x", 1000)))
	wantIDs(t, s, 1)
}

// limitedFS has no space for a file of limit bytes or more.
type limitedFS struct {
	FS
	limit int64
}

type limitedDir struct {
	Dir
	limit int64
}

type limitedFile struct {
	File
	limit int64
}

func (f limitedFS) OpenDir(name string) (Dir, error) {
	d, err := f.FS.OpenDir(name)
	return limitedDir{d, f.limit}, err
}

func (d limitedDir) Create(name string) (File, error) {
	f, err := d.Dir.Create(name)
	return limitedFile{f, d.limit}, err
}

func (f limitedFile) Allocate(size int64) error {
	if size >= f.limit {
		return syscall.ENOSPC
	}
	return f.File.Allocate(size)
}

// Space taken in advance is given back when a segment is left, and when a process died and did not.
func TestSpaceIsGivenBack(t *testing.T) {
	dir := t.TempDir()
	opts := Options{Log: quiet(), SegmentSize: 8 << 20, idle: true}
	s, err := Open(dir, opts)
	must(t, err)
	must(t, put(s, testItem(1), "text"))
	if n := diskUse(t, dir); n < 8<<20 {
		t.Skipf("this file system takes no space in advance: %d bytes", n)
	}
	must(t, s.rotate(0)) // to the spare
	must(t, finish(s, 1))
	if n := diskUse(t, dir); n > 9<<20 {
		t.Errorf("%d bytes after a segment was left", n)
	}
	must(t, s.Close()) // leaves the active one as a killed process does
	s, err = Open(dir, opts)
	must(t, err)
	defer s.Close()
	if n := diskUse(t, dir); n > 9<<20 {
		t.Errorf("%d bytes after a start", n)
	}
}

// diskUse is the space that the files in dir take.
func diskUse(t *testing.T, dir string) int64 {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var n int64
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		n += info.Sys().(*syscall.Stat_t).Blocks * 512
	}
	return n
}

// On a full disk the segment goes first of which the least must be copied, although an older one is spent, too.
func TestFullDiskCopiesLeast(t *testing.T) {
	m := newMachine(t, 4<<20)
	s := open(t, m)
	large := strings.Repeat("x", 900<<10)
	for i := 1; i <= 4; i++ {
		must(t, put(s, testItem(i), large))
	}
	must(t, s.rotate(0))
	must(t, put(s, testItem(5), "text"))
	must(t, put(s, testItem(6), large))
	must(t, s.rotate(0))
	for _, i := range []int{2, 3, 4, 6} {
		must(t, finish(s, i))
	}
	s.spareErr, m.noSpace = syscall.ENOSPC, true
	s.capacity = s.active().end + moveReserve + 500<<10
	if err := s.tidyOnce(); !errors.Is(err, queue.ErrFull) {
		t.Errorf("error %v", err)
	}
	if s.segment(1) == nil || s.segment(2) != nil {
		t.Errorf("segment 1 is there: %v, segment 2: %v, want true, false", s.segment(1) != nil, s.segment(2) != nil)
	}
	wantIDs(t, s, 1, 5)
}

// What keeps the spare from being made is told of once, and a file in its place is removed.
func TestSpareInTheWay(t *testing.T) {
	m := newMachine(t, 1<<20)
	log := &bytes.Buffer{}
	m.opts.Log = slog.New(slog.NewTextHandler(log, nil))
	s := open(t, m)
	m.names[spareName] = &memFile{}
	m.noTidy = errors.New("no removal")
	for range 5 {
		s.tidyOnce()
	}
	if n := strings.Count(log.String(), "could not take space"); n != 1 {
		t.Errorf("the log says it %d times, want once", n)
	}
	must(t, s.Room(ctx))
	m.noTidy = nil
	s.tidyOnce()
	s.tidyOnce()
	if s.spare.File == nil {
		t.Error("no spare was made")
	}
}

// After Close nothing is done to the directory: it may be another process's.
func TestRoomWhileClosing(t *testing.T) {
	for range 20 {
		m := newMachine(t, 1<<20)
		s := open(t, m)
		s.spareErr = syscall.ENOSPC
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() { s.Room(ctx) })
		}
		must(t, s.Close())
		ops := m.Ops()
		clients.Wait()
		if n := m.Ops() - ops; n > 0 {
			t.Fatalf("%d operations after Close", n)
		}
		if m.names[spareName] != nil {
			t.Fatal("the spare is left")
		}
	}
}

// New mail is taken only while there is a spare for results, also when tidy has not come round to make one.
func TestNoMailWithoutSpare(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	must(t, put(s, testItem(1), "text"))
	must(t, s.rotate(0)) // to the spare
	m.noSpace = true
	if err := put(s, testItem(2), "text"); !errors.Is(err, queue.ErrFull) {
		t.Errorf("error %v", err)
	}
	must(t, finish(s, 1))
}

// Copying stops when the spare is used up, and leaves the rest of the segment to results.
func TestCopyingLeavesTheSpare(t *testing.T) {
	m := newMachine(t, 4<<20)
	s := open(t, m)
	text := strings.Repeat("x", 200<<10)
	for i := 1; i <= 19; i++ {
		must(t, put(s, testItem(i), text))
	}
	must(t, s.rotate(0)) // to the spare
	for i := 7; i <= 19; i++ {
		must(t, finish(s, i))
	}
	s.capacity = s.active().end + moveReserve + 500<<10
	m.noSpace = true
	if err := s.evacuate(s.segment(1)); !errors.Is(err, queue.ErrFull) {
		t.Errorf("error %v", err)
	}
	if n := s.room(); n < moveReserve {
		t.Errorf("copying left %d bytes", n)
	}
}

// Results are stored in a small segment if there is no space for more.
func TestResultsOnSmallDisk(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{Log: quiet(), idle: true})
	must(t, err)
	must(t, put(s, testItem(1), "text"))
	must(t, put(s, testItem(2), "text"))
	must(t, s.Close())
	s, err = Open(dir, Options{FS: limitedFS{osFS{}, 20 << 10}, Log: quiet(), idle: true})
	must(t, err)
	defer s.Close()
	must(t, finish(s, 1))
	if err := put(s, testItem(3), "text"); !errors.Is(err, queue.ErrFull) {
		t.Errorf("error %v", err)
	}
	wantIDs(t, s, 2)
}
