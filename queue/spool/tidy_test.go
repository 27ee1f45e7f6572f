package spool

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/queue/storetest"
)

// defer1 has the recipient of message n at destination deferred.
func defer1(s *Store, n int, destination string) error {
	key := queue.JobKey{ID: queue.ID(n), Destination: destination}
	it, token, err := s.Claim(ctx, "test", key)
	if err != nil {
		return err
	}
	u := queue.Update{Job: key, Token: token}
	for _, i := range it.Pending(destination) {
		r := it.Recipients[i]
		r.Attempts++
		r.Last = queue.Outcome{Cause: "tls-version", Detail: strings.Repeat("d", 200)}
		u.Recipients = append(u.Recipients, queue.RecipientUpdate{Index: i, Recipient: r})
	}
	return s.Commit(ctx, &queue.Batch{Update: []queue.Update{u}})
}

// fill stores messages from number first on until the active segment is another one, and gives the next number.
func fill(t *testing.T, s *Store, first int) int {
	t.Helper()
	for g := s.active(); s.active() == g; first++ {
		must(t, put(s, testItem(first), strings.Repeat("x", 300)))
	}
	return first
}

func attempts(t *testing.T, s *Store, id queue.ID) []int {
	t.Helper()
	it, err := s.Get(ctx, id)
	must(t, err)
	var n []int
	for _, r := range it.Recipients {
		n = append(n, r.Attempts)
	}
	return n
}

// A segment that somebody reads as it goes is not kept open: the disk would keep its space.
func TestReadWhileItGoes(t *testing.T) {
	m := newMachine(t, 2000)
	fs := &hookFS{FS: m, before: func(string) {}}
	m.opts.FS = fs
	s := open(t, m)
	last := fill(t, s, 1)
	gone := s.segments[0]
	for i := 1; i < last; i++ {
		must(t, finish(s, i))
	}
	read := false
	fs.removing = func(name string) {
		if h, err := s.files.get(gone.seq); err == nil && name == gone.name() {
			s.files.put(h)
			read = true
		}
	}
	s.tidyOnce()
	if !read || slices.Contains(s.segments, gone) {
		t.Fatal("the segment is still there")
	}
	if s.files.open[gone.seq] != nil {
		t.Error("it is still open")
	}
}

// The state of a message goes along when the segment with its STATE goes, wherever its ACCEPT is.
func TestStateIsCopied(t *testing.T) {
	m := newMachine(t, 2000)
	s := open(t, m)
	it := testItem(1)
	it.Recipients = append(it.Recipients, queue.Recipient{Address: "u@b.example", Destination: "b.example"})
	must(t, put(s, it, strings.Repeat("x", 1000))) // keeps its segment half full
	next := fill(t, s, 2)
	must(t, defer1(s, 1, "a.example"))
	must(t, defer1(s, 1, "b.example"))
	states := s.active()
	last := fill(t, s, next)
	for i := 2; i < last; i++ {
		must(t, finish(s, i))
	}
	s.tidyOnce()
	if slices.Contains(s.segments, states) {
		t.Error("the segment with two small records is still there")
	}
	for range 2 {
		if got := attempts(t, s, 1); !slices.Equal(got, []int{1, 1}) {
			t.Errorf("attempts %v", got)
		}
		m.PowerCut(storetest.KeepNothing)
		s.Close()
		s = open(t, m)
	}
}

// Copying a segment comes to a halt at a text that cannot be read. Of the messages that were copied before it there are
// outdated records now, for days perhaps; they must not come to life when the copies are done and gone.
func TestOutdatedRecordsStayDead(t *testing.T) {
	m := newMachine(t, 2000)
	s := open(t, m)
	old := s.active()
	must(t, put(s, testItem(1), "copied"))
	must(t, put(s, testItem(2), "damaged soon"))
	next := fill(t, s, 3)
	for i := 3; i < next-1; i++ {
		must(t, finish(s, i))
	}
	name, off := textPlace(s, 2)
	m.names[name].data[off] ^= 1
	m.names[name].synced[off] ^= 1
	s.tidyOnce()
	if v, _ := s.look(1); v.accept.seg == old.seq || !slices.Contains(s.segments, old) {
		t.Fatal("the message was not copied, or its segment is gone")
	}
	next = fill(t, s, next) // seals the copy's segment
	must(t, finish(s, 1))
	next = fill(t, s, next) // and that with the end of message 1
	for i := 3; i < next; i++ {
		if s.index.get(queue.ID(i)) != nil {
			must(t, finish(s, i))
		}
	}
	s.tidyOnce()
	fill(t, s, next)
	s.tidyOnce()
	m.PowerCut(storetest.KeepNothing)
	s.Close()
	s = open(t, m)
	if s.index.get(1) != nil {
		t.Error("a message that was done is back")
	}
}

// A message with a damaged envelope is told of and out of the queue; its segment is set aside.
func TestDamagedEnvelope(t *testing.T) {
	m := newMachine(t, 1<<20)
	log := &bytes.Buffer{}
	m.opts.Log = slog.New(slog.NewTextHandler(log, nil))
	s := open(t, m)
	for i := 1; i <= 3; i++ {
		must(t, put(s, testItem(i), "text"))
	}
	v, _ := s.look(2)
	m.names[segmentName(1)].data[v.accept.off+recordHead+20] ^= 1
	if _, _, err := s.Claim(ctx, "test", queue.JobKey{ID: 2, Destination: "a.example"}); !errors.Is(err, queue.ErrGone) {
		t.Errorf("claim: %v", err)
	}
	wantIDs(t, s, 1, 3)
	if st := s.Stats(); st.Damaged != 1 || !strings.Contains(log.String(), queue.ID(2).String()) || !strings.Contains(log.String(), segmentName(1)) {
		t.Errorf("stats %+v, log %s", st, log)
	}
	if _, _, err := s.Claim(ctx, "test", queue.JobKey{ID: 2, Destination: "a.example"}); !errors.Is(err, queue.ErrGone) {
		t.Errorf("claimed again: %v", err)
	}
	must(t, s.rotate(0))
	must(t, finish(s, 1))
	must(t, finish(s, 3))
	s.tidyOnce()
	if m.names[segmentName(1)+damagedSuffix] == nil {
		t.Error("the segment was not set aside")
	}
}

// hinted gives a machine, switched off, with n messages in a sealed segment that has a hint.
func hinted(t *testing.T, n int) *memFS {
	m, _, _ := stored(t, n)
	s := open(t, m)
	s.tidyOnce()
	must(t, s.Close())
	if m.names[hintName(1)] == nil {
		t.Fatal("no hint was written")
	}
	return m
}

// A start with a hint does not read the segment behind its header.
func TestStartReadsHints(t *testing.T) {
	m := hinted(t, 3)
	m.names[segmentName(1)].bad = [2]int64{headerSize + 8, 1 << 30}
	s := open(t, m)
	if st := s.Stats(); st.Messages != 3 || st.Damaged != 0 {
		t.Errorf("stats %+v", st)
	}
	m.names[segmentName(1)].bad = [2]int64{}
	for i := 1; i <= 3; i++ {
		checkText(t, s, queue.ID(i), fmt.Sprintf("text of message %d", i))
	}
}

// A hint that is damaged anywhere, cut off or of another segment is as good as none.
func TestBadHints(t *testing.T) {
	m := hinted(t, 3)
	good := m.names[hintName(1)].data
	bad := map[string][]byte{
		"empty": {}, "header only": good[:headerSize],
		"of another segment": encodeHint(&segment{seq: 1, marker: marker{1}, end: headerSize, digests: []byte{}}),
	}
	for at := range good {
		b := slices.Clone(good)
		b[at] ^= 0x55
		bad[fmt.Sprintf("damaged at %d", at)] = b
		bad[fmt.Sprintf("cut off at %d", at)] = good[:at]
	}
	for name, b := range bad {
		c := m.clone()
		c.names[hintName(1)] = &memFile{data: b}
		s := open(t, c)
		wantIDs(t, s, 1, 2, 3)
		if st := s.Stats(); st.Damaged != 0 {
			t.Errorf("%s: %d damaged places", name, st.Damaged)
		}
		s.tidyOnce() // makes it anew
		if !bytes.Equal(c.names[hintName(1)].data, good) {
			t.Errorf("%s: the hint was not made anew", name)
		}
		must(t, s.Close())
	}
}

// A hint whose segment is gone is removed.
func TestHintAloneIsRemoved(t *testing.T) {
	m := hinted(t, 1)
	delete(m.names, segmentName(1))
	s := open(t, m)
	wantIDs(t, s)
	if m.names[hintName(1)] != nil {
		t.Error("it is still there")
	}
}

// Survivors are not copied on a full disk if they might take the room that results of deliveries need.
func TestNoCopyWithoutRoom(t *testing.T) {
	m := newMachine(t, 2000)
	s := open(t, m)
	next := fill(t, s, 1)
	for i := 2; i < next; i++ {
		must(t, finish(s, i))
	}
	s.spareErr = syscall.ENOSPC
	m.noSpace = true
	s.tidyOnce()
	if v, _ := s.look(1); v.accept.seg != 1 {
		t.Error("it was copied")
	}
	m.noSpace = false
	s.tidyOnce()
	if v, _ := s.look(1); v.accept.seg == 1 {
		t.Error("with space it was not copied")
	}
}

// A segment turns out damaged while its hint is written: the other messages in it are found at the next start.
func TestDamageWhileHintIsWritten(t *testing.T) {
	m := newMachine(t, 1<<20)
	var s *Store
	s = openHooked(t, m, func(name string) {
		if name == hintName(1) {
			_, _, err := s.Claim(ctx, "test", queue.JobKey{ID: 2, Destination: "a.example"})
			if !errors.Is(err, queue.ErrGone) {
				t.Errorf("error %v", err)
			}
		}
	})
	for i := 1; i <= 3; i++ {
		must(t, put(s, testItem(i), "text"))
	}
	m.names[segmentName(1)].data[s.index.get(2).accept.off+recordHead+20] ^= 1
	must(t, s.rotate(0))
	s.writeHints()
	must(t, s.Close())
	wantIDs(t, open(t, m), 1, 3)
}

// A segment with damage goes: the records in it of ended messages are copied all the same, those before the damage, too.
func TestGravesBesideDamage(t *testing.T) {
	for name, restart := range map[string]bool{"found while it was written": false, "found at a start": true} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 1<<20)
			s := open(t, m)
			must(t, put(s, testItem(1), strings.Repeat("x", 300)))
			must(t, put(s, testItem(2), strings.Repeat("x", 300)))
			must(t, s.rotate(0))
			must(t, finish(s, 1))
			must(t, put(s, testItem(3), "damaged soon"))
			f, off := m.names[segmentName(2)], s.index.get(3).accept.off+recordHead+20
			f.data[off] ^= 1
			f.synced[off] ^= 1
			if !restart {
				if _, err := s.Get(ctx, 3); !errors.Is(err, queue.ErrGone) {
					t.Fatalf("error %v", err)
				}
			}
			must(t, put(s, testItem(4), "text"))
			must(t, put(s, testItem(5), strings.Repeat("x", 900)))
			must(t, finish(s, 5))
			if restart {
				must(t, s.Close())
				s = open(t, m)
			} else {
				must(t, s.rotate(0))
			}
			s.tidyOnce()
			if m.names[segmentName(2)+damagedSuffix] == nil || m.names[segmentName(1)] == nil {
				t.Fatal("the damaged segment is not gone, or the one before it is")
			}
			m.PowerCut(storetest.KeepNothing)
			s.Close()
			wantIDs(t, open(t, m), 2, 4)
		})
	}
}

// A segment does not go while records in it that end messages elsewhere cannot be read to be copied.
func TestGravesThatCannotBeRead(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	must(t, put(s, testItem(1), strings.Repeat("x", 300)))
	must(t, put(s, testItem(2), strings.Repeat("x", 300)))
	must(t, s.rotate(0))
	must(t, finish(s, 1))
	must(t, put(s, testItem(3), strings.Repeat("x", 300)))
	must(t, s.rotate(0))
	s.writeHints()
	delete(m.names, hintName(2))
	must(t, finish(s, 3))
	m.names[segmentName(2)].bad = [2]int64{headerSize, headerSize + 1}
	s.tidyOnce()
	m.names[segmentName(2)].bad = [2]int64{}
	m.PowerCut(storetest.KeepNothing)
	s.Close()
	s = open(t, m)
	wantIDs(t, s, 2)
	s.tidyOnce()
	if m.names[segmentName(2)] != nil {
		t.Error("with a sound disk the segment is not gone")
	}
	must(t, s.Close())
	wantIDs(t, open(t, m), 2)
}

// Without a disk to write to a damaged message leaves the queue all the same.
func TestDamageOnFullDisk(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	must(t, put(s, testItem(1), "text"))
	must(t, put(s, testItem(2), "text"))
	m.names[segmentName(1)].data[s.index.get(2).accept.off+recordHead+20] ^= 1
	m.Fail(m.Ops(), -1, syscall.ENOSPC)
	if err := put(s, testItem(3), "text"); !errors.Is(err, queue.ErrFull) {
		t.Fatalf("error %v", err)
	}
	if _, err := s.Get(ctx, 2); !errors.Is(err, queue.ErrGone) {
		t.Fatalf("error %v", err)
	}
	if st := s.Stats(); st.Messages != 1 || st.Damaged != 1 {
		t.Errorf("stats %+v", st)
	}
}
