package spool

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/queue/storetest"
)

func largeMachine(t *testing.T) *memFS {
	m := newMachine(t, 1<<20)
	m.opts.LargeText = 1000
	return m
}

// texts counts the files of large texts.
func (m *memFS) texts() int {
	n := 0
	for name := range m.names {
		if _, ok := textNumber(name); ok {
			n++
		}
	}
	return n
}

// A large text has a file of its own until its message is done.
func TestLargeText(t *testing.T) {
	m := largeMachine(t)
	s := open(t, m)
	small, large := strings.Repeat("s", 1000), strings.Repeat("large", 100_000)
	must(t, put(s, testItem(1), small))
	must(t, put(s, testItem(2), large))
	must(t, put(s, testItem(3), large))
	if n := m.texts(); n != 2 {
		t.Fatalf("%d files of large texts, want 2", n)
	}
	if size := s.active().end; size > 5000 {
		t.Errorf("the segment has %d bytes: a large text is in it", size)
	}
	m.PowerCut(storetest.KeepNothing)
	s.Close()
	s = open(t, m)
	checkText(t, s, 1, small)
	checkText(t, s, 2, large)
	must(t, finish(s, 2))
	s.tidyOnce()
	if n := m.texts(); n != 1 {
		t.Errorf("%d files are left, want 1", n)
	}
	checkText(t, s, 3, large)
	must(t, remove(s, 3))
	m.PowerCut(storetest.KeepAll) // before it was removed
	s.Close()
	wantIDs(t, open(t, m), 1)
	if n := m.texts(); n != 0 {
		t.Errorf("%d files are left, want none", n)
	}
}

// Without its file a message is damage; a file without a message beside damage may be what a person looks for.
func TestLargeTextMissing(t *testing.T) {
	m := largeMachine(t)
	s := open(t, m)
	must(t, put(s, testItem(1), strings.Repeat("a", 2000)))
	must(t, put(s, testItem(2), strings.Repeat("b", 2000)))
	must(t, s.Close())
	v := s.texts[1]
	m.names[textName(77)] = m.names[textName(v)]
	delete(m.names, textName(v))
	s = open(t, m)
	wantIDs(t, s, 2)
	if st := s.Stats(); st.Damaged != 1 {
		t.Errorf("%d damaged places", st.Damaged)
	}
	if m.names[textName(77)+damagedSuffix] == nil {
		t.Error("the text was not set aside")
	}
}

// A discarded body leaves no file, nor does one that could not be written.
func TestLargeTextDiscarded(t *testing.T) {
	m := largeMachine(t)
	s := open(t, m)
	body, err := s.NewBody(ctx)
	must(t, err)
	_, err = body.Write(make([]byte, 5000))
	must(t, err)
	body.Discard()
	m.Fail(m.Ops(), 1, syscall.ENOSPC)
	if err := put(s, testItem(1), strings.Repeat("a", 2000)); !errors.Is(err, queue.ErrFull) {
		t.Errorf("error %v", err)
	}
	m.Fail(m.Ops()+2, 1, syscall.EIO) // the sync
	if err := put(s, testItem(1), strings.Repeat("a", 2000)); !errors.Is(err, syscall.EIO) {
		t.Errorf("error %v", err)
	}
	if n := m.texts(); n != 0 {
		t.Errorf("%d files are left", n)
	}
	wantIDs(t, s)
	must(t, put(s, testItem(1), strings.Repeat("a", 2000)))
}

// A body whose commit was refused keeps its file, for another commit.
func TestLargeTextCommittedLater(t *testing.T) {
	m := largeMachine(t)
	s := open(t, m)
	text := strings.Repeat("a", 2000)
	must(t, put(s, testItem(1), "text"))
	body, err := s.NewBody(ctx)
	must(t, err)
	_, err = body.Write([]byte(text))
	must(t, err)
	if err := s.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: testItem(1), Body: body}}}); err == nil {
		t.Fatal("the ID is there")
	}
	must(t, s.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: testItem(2), Body: body}}}))
	body.Discard()
	checkText(t, s, 2, text)
}

// Many large bodies at once do not take more memory than their budget, and little beyond.
func TestMemoryBudget(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	piece := make([]byte, 32<<10)
	var bodies []queue.Body
	for range 200 {
		body, err := s.NewBody(ctx)
		must(t, err)
		for range 20 {
			_, err := body.Write(piece)
			must(t, err)
		}
		bodies = append(bodies, body)
	}
	if n := s.inMemory.Load(); n > memoryBudget+200*(crowdedText+chunkSize) {
		t.Errorf("%d bytes in memory", n)
	}
	for _, b := range bodies {
		b.Discard()
	}
	if n := s.inMemory.Load(); n != 0 {
		t.Errorf("%d bytes are counted after all was given back", n)
	}
}
