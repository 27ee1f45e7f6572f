package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/queue/storetest"
)

// stored gives a machine, switched off, with messages 1 to n in one segment, and where each frame begins.
func stored(t *testing.T, n int) (m *memFS, name string, frames []int64) {
	m = newMachine(t, 1<<20)
	s, err := Open("mem", m.opts)
	must(t, err)
	for i := 1; i <= n; i++ {
		seg := s.segments[len(s.segments)-1]
		name = seg.name()
		frames = append(frames, seg.end)
		must(t, put(s, testItem(i), fmt.Sprintf("text of message %d", i)))
	}
	must(t, s.Close())
	return m, name, frames
}

// A batch that was being written when the power went is found cut off anywhere: it is as if it had never been begun.
func TestTornTail(t *testing.T) {
	m, name, frames := stored(t, 3)
	m.PowerCut(storetest.KeepAll)
	delete(m.durable, segmentName(2)) // it says where the log ends
	whole := slices.Clone(m.names[name].data)
	for cut := frames[2]; cut < int64(len(whole)); cut++ {
		for _, rest := range []string{"", "zeros", "noise"} {
			found := slices.Clone(whole[:cut])
			if fill := len(whole) - len(found); rest != "" {
				found = append(found, bytes.Repeat([]byte(rest[:1]), fill)...)
				if rest == "zeros" {
					clear(found[cut:])
				}
			}
			if bytes.Equal(found, whole) {
				continue // the fill happened to be what was there
			}
			c := m.clone()
			c.names[name].data = found
			s := open(t, c)
			wantIDs(t, s, 1, 2)
			if st := s.Stats(); st.Damaged != 0 {
				t.Fatalf("cut at %d, then %s: a torn tail was counted as damage", cut, rest)
			}
			must(t, put(s, testItem(4), "later"))
			must(t, s.Close())
			s = open(t, c)
			wantIDs(t, s, 1, 2, 4)
			must(t, s.Close())
		}
	}
}

// Every byte of a sealed segment is damaged in turn: one message is lost, told of with file and offset, never two.
func TestDamageInTheMiddle(t *testing.T) {
	m, name, frames := stored(t, 3)
	m.PowerCut(storetest.KeepAll)
	whole := slices.Clone(m.durable[name].synced)
	ends := append(frames, int64(len(whole)))
	for at := range whole {
		c := m.clone()
		c.names[name].data[at] ^= 0x55
		log := &bytes.Buffer{}
		c.opts.Log = slog.New(slog.NewTextHandler(log, nil))
		s := open(t, c)
		want := []queue.ID{1, 2, 3}
		offset := int64(0)
		for i := range frames {
			if int64(at) >= ends[i] && int64(at) < ends[i+1] {
				want = slices.Delete(want, i, i+1)
				offset = ends[i]
			}
		}
		wantIDs(t, s, want...)
		if st := s.Stats(); st.Damaged != 1 || st.Messages != len(want) {
			t.Fatalf("damage at %d: stats %+v", at, st)
		}
		line := fmt.Sprintf("level=WARN msg=\"spool: damaged record, keeping the rest\" spool=mem file=%s offset=%d ", name, offset)
		if !strings.Contains(log.String(), line) {
			t.Fatalf("damage at %d: log %q, want %q", at, log, line)
		}
		for _, id := range want {
			checkText(t, s, id, fmt.Sprintf("text of message %d", id))
			must(t, remove(s, int(id)))
		}
		must(t, put(s, testItem(9), "new"))
		s.tidyOnce()
		must(t, s.Close())
		if c.durable[name] != nil || c.durable[name+damagedSuffix] == nil {
			t.Fatalf("damage at %d: the segment was not set aside", at)
		}
		s = open(t, c)
		wantIDs(t, s, 9)
		must(t, s.Close())
	}
}

func checkText(t *testing.T, s *Store, id queue.ID, want string) {
	t.Helper()
	if got, err := readAll(s, id); err != nil || got != want {
		t.Fatalf("message %s: text %q, %v, want %q", id, got, err, want)
	}
}

// A sealed segment that lost its end is damage: what stood there was acknowledged.
func TestSealedSegmentCutOff(t *testing.T) {
	m, name, frames := stored(t, 3)
	open(t, m).Close()
	for _, cut := range []int64{frames[2], frames[2] + 5, frames[1] + 1, headerSize} {
		c := m.clone()
		c.names[name].data = c.names[name].data[:cut]
		s := open(t, c)
		want := slices.DeleteFunc([]queue.ID{1, 2, 3}, func(id queue.ID) bool { return id == 3 || frames[id] > cut })
		wantIDs(t, s, want...)
		if st := s.Stats(); st.Damaged != 1 {
			t.Errorf("cut at %d: %d damaged places", cut, st.Damaged)
		}
		must(t, s.Close())
		s = open(t, c)
		wantIDs(t, s, want...)
		if st := s.Stats(); len(want) > 0 && st.Damaged != 1 { // with no message left the segment was set aside
			t.Errorf("cut at %d: after another start nobody speaks of the damage", cut)
		}
		must(t, s.Close())
	}
}

// A message text that quotes a whole segment must not bring the quoted messages to life when the frame around it is
// damaged.
func TestForgedFrameInBody(t *testing.T) {
	other, name, _ := stored(t, 3)
	forged := other.durable[name].synced
	m := newMachine(t, 1<<20)
	s := open(t, m)
	must(t, put(s, testItem(7), strings.Repeat(string(forged), 3)))
	seg := s.segments[len(s.segments)-1].name()
	must(t, put(s, testItem(8), "text"))
	must(t, s.Close())
	m.names[seg].data[headerSize+frameHead+3] ^= 1
	s = open(t, m)
	wantIDs(t, s, 8)
}

func TestNewerVersionIsRefused(t *testing.T) {
	m, name, _ := stored(t, 1)
	h := m.names[name].data[:headerSize]
	binary.LittleEndian.PutUint32(h[8:], segmentVersion+1)
	binary.LittleEndian.PutUint32(h[60:], crc32.Checksum(h[:60], crcTable))
	if _, err := Open("mem", m.opts); !errors.Is(err, errNewer) || !strings.Contains(err.Error(), name) {
		t.Fatalf("error %v", err)
	}
	if m.locked {
		t.Error("the directory is still locked")
	}
}

// A failed batch may be whole on disk. The next segment's header keeps it from coming back, whatever the disk kept.
func TestFailedBatchStaysGone(t *testing.T) {
	for _, first := range []bool{false, true} { // of its segment
		m := newMachine(t, 1<<20)
		s := open(t, m)
		if !first {
			must(t, put(s, testItem(1), "text"))
		}
		s.makeSpare()                                  // as new mail does
		m.Fail(m.Ops()+1, 1, errors.New("sync fails")) // the write goes well
		if err := put(s, testItem(2), "text"); err == nil {
			t.Fatal("no error")
		}
		must(t, put(s, testItem(3), "text"))
		m.PowerCut(storetest.KeepAll)
		s.Close()
		want := []queue.ID{1, 3}
		if first {
			want = want[1:]
		}
		s = open(t, m)
		wantIDs(t, s, want...)
		if st := s.Stats(); st.Damaged != 0 {
			t.Errorf("%d damaged places", st.Damaged)
		}
	}
}

// A disk that fails for a while is ErrFull or its own error; afterwards all goes on, and no litter is left.
func TestFaultsForAWhile(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	must(t, put(s, testItem(1), "text"))
	broken := errors.New("disk on fire")
	m.Fail(0, -1, broken)
	for i := 2; i < 10; i++ {
		if err := put(s, testItem(i), "text"); !errors.Is(err, broken) || errors.Is(err, queue.ErrFull) {
			t.Fatalf("error %v", err)
		}
	}
	m.Fail(0, 0, nil)
	wantIDs(t, s, 1)
	must(t, finish(s, 1))
	must(t, put(s, testItem(10), "text"))
	wantIDs(t, s, 10)
	must(t, s.Close())
	s = open(t, m)
	wantIDs(t, s, 10)
	must(t, s.Close())
	if len(m.names) > 3 {
		t.Errorf("%d files are left", len(m.names))
	}
}

// Syncs that fail one after the other do not fill the directory with files.
func TestFailuresDoNotPileUp(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	must(t, put(s, testItem(1), "text"))
	for i := 2; i < 10; i++ {
		s.makeSpare() // as new mail does
		m.Fail(m.Ops()+1, 1, syscall.EIO)
		if err := put(s, testItem(i), "text"); !errors.Is(err, syscall.EIO) {
			t.Fatalf("error %v", err)
		}
	}
	if n := len(m.names); n != 2 { // the spare is used by now
		t.Errorf("%d files, want 2", n)
	}
	m.PowerCut(storetest.KeepAll)
	s.Close()
	wantIDs(t, open(t, m), 1)
}

// Starts that store nothing leave nothing.
func TestStartsDoNotPileUp(t *testing.T) {
	m, _, _ := stored(t, 1)
	for range 5 {
		s := open(t, m)
		wantIDs(t, s, 1)
		must(t, s.Close())
	}
	if n := len(m.names); n != 2 {
		t.Errorf("%d files after idle starts, want 2", n)
	}
}

// The disk cannot read a few sectors in the middle of large messages: the others are kept.
func TestUnreadableSectors(t *testing.T) {
	m := newMachine(t, 16<<20)
	m.opts.LargeText = 16 << 20
	s := open(t, m)
	var name string
	var texts [6]int64
	for i := 1; i <= 5; i++ {
		must(t, put(s, testItem(i), strings.Repeat(fmt.Sprint(i), 3*windowSize)))
		name, texts[i] = textPlace(s, queue.ID(i))
	}
	must(t, s.Close())
	m.names[name].bad = [2]int64{texts[2] + 100_000, texts[2] + 120_000}
	s = open(t, m)
	wantIDs(t, s, 1, 3, 4, 5)
	checkText(t, s, 5, strings.Repeat("5", 3*windowSize))
	must(t, s.Close())

	m.names[name].bad = [2]int64{texts[3] - 50, texts[5] - 5000}
	s = open(t, m)
	wantIDs(t, s, 1, 2, 5)
	must(t, s.Close())

	newest := m.clone() // nothing says where the segment ends: what could not be read is not cut off for ever
	for other := range newest.names {
		if other != name {
			delete(newest.names, other)
		}
	}
	newest.names[name].bad = [2]int64{texts[4], 1 << 30}
	s = open(t, newest)
	wantIDs(t, s, 1, 2, 3)
	must(t, s.Close())
	newest.names[name].bad = [2]int64{}
	wantIDs(t, open(t, newest), 1, 2, 3, 4, 5)

	m.names[name].bad = [2]int64{0, 10} // the header: the file stays where it is
	s = open(t, m)
	wantIDs(t, s)
	must(t, put(s, testItem(9), "text"))
	must(t, s.Close())
	m.names[name].bad = [2]int64{}
	wantIDs(t, open(t, m), 1, 2, 3, 4, 5, 9)
}
