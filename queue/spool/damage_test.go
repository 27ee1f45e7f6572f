package spool

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/queue/storetest"
)

// spoil changes a byte on disk.
func (m *memFS) spoil(name string, off int64) {
	m.names[name].data[off] ^= 1
	if f := m.names[name]; int(off) < len(f.synced) && &f.synced[0] != &f.data[0] {
		f.synced[off] ^= 1
	}
}

// A message whose STATE is damaged is not lost: what the index knows of it stays, and the rest is as it was accepted.
func TestDamagedState(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	it := testItem(1)
	for _, d := range []string{"b.example", "c.example"} {
		it.Recipients = append(it.Recipients, queue.Recipient{Address: "u@" + d, Destination: d})
	}
	must(t, put(s, it, strings.Repeat("x", 500)))
	must(t, s.rotate(0))
	must(t, finish(s, 1))
	p, later := s.index.slots(s.index.get(1))[0].state, time.Unix(2e9, 0).UTC()
	it, token, err := s.Claim(ctx, "test", queue.JobKey{ID: 1, Destination: "b.example"})
	must(t, err)
	it.Recipients[1].NextAttempt, it.Recipients[1].Attempts = later, 1
	must(t, s.Commit(ctx, &queue.Batch{Update: []queue.Update{{Job: queue.JobKey{ID: 1, Destination: "b.example"}, Token: token,
		Recipients: []queue.RecipientUpdate{{Index: 1, Recipient: it.Recipients[1]}}}}}))
	q := s.index.slots(s.index.get(1))[1].state
	must(t, s.rotate(0))
	s.writeHints()
	m.spoil(segmentName(p.seg), int64(p.off)+recordHead+9)
	m.spoil(segmentName(q.seg), int64(q.off)+recordHead+9)
	check := func(want ...queue.State) {
		t.Helper()
		it, err := s.Get(ctx, 1)
		must(t, err)
		var got []queue.State
		for _, r := range it.Recipients {
			got = append(got, r.State)
		}
		if !slices.Equal(got, want) {
			t.Errorf("states %v, want %v", got, want)
		}
	}
	check(queue.Delivered, queue.Queued, queue.Queued)
	if it, err := s.Get(ctx, 1); err != nil || !it.Recipients[1].NextAttempt.Equal(later) {
		t.Errorf("next attempt at %v, %v", it.Recipients[1].NextAttempt, err)
	}
	if st := s.Stats(); st.Damaged != 2 || st.Messages != 1 {
		t.Errorf("stats %+v", st)
	}
	s.tidyOnce()
	if m.names[segmentName(2)+damagedSuffix] == nil {
		t.Error("the damaged segment is not set aside")
	}
	must(t, s.Close())
	s = open(t, m) // as it was accepted
	check(queue.Queued, queue.Queued, queue.Queued)
	checkText(t, s, 1, strings.Repeat("x", 500))
}

// The text in a file of its own of a message with a damaged envelope is set aside.
func TestDamagedEnvelopeOfLargeText(t *testing.T) {
	m := largeMachine(t)
	s := open(t, m)
	must(t, put(s, testItem(1), strings.Repeat("a", 2000)))
	number := s.texts[1]
	m.spoil(segmentName(1), int64(s.index.get(1).accept.off)+recordHead+20)
	if _, err := s.Get(ctx, 1); !errors.Is(err, queue.ErrGone) {
		t.Fatalf("error %v", err)
	}
	for range 2 {
		s.tidyOnce()
		if m.names[textName(number)+damagedSuffix] == nil {
			t.Fatal("the text is not set aside")
		}
		must(t, s.Close())
		s = open(t, m)
	}
}

// A message whose text is damaged stays in the queue over a start, until its sender has been told.
func TestDamagedTextStays(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	must(t, put(s, testItem(1), strings.Repeat("x", 100)))
	must(t, put(s, testItem(2), strings.Repeat("x", 1000)))
	must(t, s.rotate(0))
	s.tidyOnce()
	name, off := textPlace(s, 1)
	m.spoil(name, off)
	must(t, finish(s, 2))
	for range 2 {
		s.tidyOnce()
		wantIDs(t, s, 1)
		if st := s.Stats(); st.Damaged != 1 {
			t.Errorf("stats %+v", st)
		}
		m.PowerCut(storetest.KeepAll)
		s.Close()
		s = open(t, m)
	}
	must(t, finish(s, 1))
	s.tidyOnce()
	wantIDs(t, s)
	if n := s.Stats().Segments; n != 1 {
		t.Errorf("%d segments", n)
	}
}

// damagedSegment makes a spool whose first segment holds a message 1, a message 2 whose text is damaged, and others that are
// done. It gives the segment's file and the next number.
func damagedSegment(t *testing.T) (m *memFS, s *Store, name string, next int) {
	m = newMachine(t, 2000)
	s = open(t, m)
	must(t, put(s, testItem(1), "copied"))
	must(t, put(s, testItem(2), "damaged soon"))
	next = fill(t, s, 3)
	finishAll(t, s, 3, next)
	name, off := textPlace(s, 2)
	m.spoil(name, off)
	return m, s, name, next
}

// finishAll ends the messages from one number to before another.
func finishAll(t *testing.T, s *Store, from, to int) {
	for i := from; i < to; i++ {
		must(t, finish(s, i))
	}
}

// A segment that could not be read for one life of the process may hold an outdated ACCEPT of a message that was done in
// that life. The message must not come back when the others that speak of it are gone.
func TestUnreadableSegmentStaysDead(t *testing.T) {
	m, s, name, next := damagedSegment(t)
	s.tidyOnce()
	must(t, s.Close())
	for _, hidden := range []bool{true, false, false} {
		if hidden {
			m.names[name].bad = [2]int64{0, 1}
		}
		s = open(t, m)
		m.names[name].bad = [2]int64{}
		if hidden {
			must(t, finish(s, 1))
		} else if s.index.get(1) != nil {
			t.Fatal("a message that was done is back")
		}
		last := fill(t, s, next)
		finishAll(t, s, next, last)
		next = last
		s.tidyOnce()
		must(t, s.Close())
	}
}

// Two messages that name one file of a text, as a refused batch and the one after it may after damage, both have it.
func TestOneTextOfTwo(t *testing.T) {
	m := largeMachine(t)
	s := open(t, m)
	must(t, put(s, testItem(1), strings.Repeat("a", 2000)))
	v, _ := s.look(1)
	it, accept, err := s.pull(v)
	must(t, err)
	it.ID = 2
	mv := move{kind: recAccept, id: 2, record: appendAccept(nil, &it, accept.text)}
	g := s.active()
	_, err = s.file.WriteAt(framed(g.marker, mv.record), g.end)
	must(t, err)
	m.PowerCut(storetest.KeepAll) // or the end would cut it off
	s.Close()
	s = open(t, m)
	wantIDs(t, s, 1, 2)
	if n := s.Stats().Damaged; n > 0 {
		t.Errorf("%d damaged places", n)
	}
}

// A hint file of any size costs a start no memory.
func TestHugeHint(t *testing.T) {
	m := hinted(t, 3)
	m.names[hintName(1)].data = make([]byte, 1<<20)
	g := &segment{seq: 1, end: 1000}
	if _, _, err := readHint(&memDir{m, m.life}, g); !errors.Is(err, errHint) {
		t.Errorf("error %v", err)
	}
	wantIDs(t, open(t, m), 1, 2, 3)
}

// A segment that stays for days because of a damaged text does not keep the records of all messages that end meanwhile.
func TestKeptSegmentKeepsLittle(t *testing.T) {
	_, s, name, next := damagedSegment(t)
	for range 20 {
		last := fill(t, s, next)
		finishAll(t, s, next, last)
		next = last
		s.tidyOnce()
	}
	if g := s.segments[0]; !g.kept || g.name() != name {
		t.Fatal("the segment was not kept")
	}
	for _, g := range s.segments[1:] {
		if g.buried > 100 {
			t.Errorf("segment %d keeps %d bytes of records of ended messages", g.seq, g.buried)
		}
	}
}

// A listing that would leave out what the disk cannot read is an error, and trouble just behind a record is none.
func TestListingIsWhole(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	for i := 1; i <= 3; i++ {
		must(t, put(s, testItem(i), "text"))
	}
	v, _ := s.look(2)
	m.names[segmentName(1)].bad = [2]int64{int64(v.accept.off) + 10, int64(v.accept.off) + 11}
	if _, err := s.Get(ctx, 1); err != nil {
		t.Errorf("the message in front of the sector: %v", err)
	}
	if items, err := s.Scan(ctx, 0, 10); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), queue.ID(2).String()) {
		t.Errorf("%d messages, error %v", len(items), err)
	}
	m.names[segmentName(1)].bad = [2]int64{}
	wantIDs(t, s, 1, 2, 3)
}
