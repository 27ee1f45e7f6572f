package spool

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tlsrelay/queue/storetest"
)

// killed gives a machine whose process died with n messages in the first segment and zeros behind them, and where they end.
func killed(t *testing.T, n int) (m *memFS, end int64) {
	m = newMachine(t, 1<<20)
	s := open(t, m)
	for i := 1; i <= n; i++ {
		must(t, put(s, testItem(i), "text"))
	}
	end = s.active().end
	m.PowerCut(storetest.KeepAll)
	s.Close()
	if size := int64(len(m.names[segmentName(1)].data)); size < end+aheadSize/2 {
		t.Fatalf("the file has %d bytes and ends at %d: nothing was written ahead", size, end)
	}
	return m, end
}

// Zeros behind the end are nothing to speak of at a start: no damage, no failed batch.
func TestZerosBehindTheEnd(t *testing.T) {
	m, _ := killed(t, 3)
	log := &bytes.Buffer{}
	m.opts.Log = slog.New(slog.NewTextHandler(log, nil))
	s := open(t, m)
	wantIDs(t, s, 1, 2, 3)
	if m.names[segmentName(1)] != nil {
		t.Error("what a process that died left was not copied and removed")
	}
	if log.Len() > 0 {
		t.Errorf("log: %s", log)
	}
}

// They may still be there when it is known where the segment ends, or when the segment after it has gone.
func TestZerosStay(t *testing.T) {
	for _, hint := range []bool{false, true} {
		for _, next := range []bool{false, true} {
			m, name, _ := stored(t, 3)
			end := int64(len(m.names[name].data))
			zeros := append(bytes.Clone(m.names[name].data), make([]byte, aheadSize)...)
			s := open(t, m)
			follows := s.active().name()
			must(t, put(s, testItem(4), "text"))
			must(t, s.rotate(0))
			must(t, finish(s, 4))
			must(t, put(s, testItem(5), "text"))
			if hint {
				s.writeHints()
			}
			must(t, s.Close())
			m.names[name].data = zeros
			if !next {
				delete(m.names, follows)
			}
			s = open(t, m)
			wantIDs(t, s, 1, 2, 3, 5)
			if g := s.segments[0]; g.overrun || g.end != end || s.Stats().Damaged > 0 {
				t.Errorf("hint %v, next %v: ends at %d, not %d; overrun %v; %d damaged",
					hint, next, g.end, end, g.overrun, s.Stats().Damaged)
			}
		}
	}
}

// Zeros where frames should be are damage.
func TestZerosBeforeTheEnd(t *testing.T) {
	m, name, frames := stored(t, 3)
	from, end := frames[2], int64(len(m.names[name].data))
	clear(m.names[name].data[from:])
	log := &bytes.Buffer{}
	m.opts.Log = slog.New(slog.NewTextHandler(log, nil))
	s := open(t, m)
	wantIDs(t, s, 1, 2)
	want := fmt.Sprintf("offset=%d bytes=%d error=%q", from, end-from, errBlank)
	if s.Stats().Damaged != 1 || !strings.Contains(log.String(), want) {
		t.Errorf("want %s in the log:\n%s", want, log)
	}
}

// A batch that was cut off is left out without alarm, whatever part of it is zeros.
func TestTornBeforeZeros(t *testing.T) {
	m, end := killed(t, 3)
	whole := bytes.Clone(m.names[segmentName(1)].data)
	from := bytes.LastIndex(whole[:end], whole[24:32])
	for cut := from; cut < int(end)-1; cut++ {
		c := m.clone()
		c.names[segmentName(1)].data = bytes.Clone(whole)
		clear(c.names[segmentName(1)].data[cut:end])
		s := open(t, c)
		wantIDs(t, s, 1, 2)
		if n := s.Stats().Damaged; n > 0 {
			t.Fatalf("cut at %d: %d damaged places", cut, n)
		}
		must(t, s.Close())
	}
}

// What is written ahead stays within the space that was taken, and nothing is where none could be taken, or behind a group that
// is large by itself.
func TestWritesAhead(t *testing.T) {
	small, large := "text", strings.Repeat("x", smallGroup)
	for _, c := range []struct {
		name  string
		size  int64
		text  string
		taken bool
		want  func(end, size int64) bool
	}{
		{"Small", 1 << 20, small, true, func(end, size int64) bool { return size == end+aheadSize }},
		{"Short", aheadSize / 2, small, true, func(_, size int64) bool { return size == aheadSize/2 }},
		{"Large", 1 << 20, large, true, func(end, size int64) bool { return size == end }},
		{"NotTaken", 1 << 20, small, false, func(end, size int64) bool { return size == end }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, c.size)
			if !c.taken {
				m.opts.FS = plainFS{m}
			}
			s := open(t, m)
			must(t, put(s, testItem(1), c.text))
			if end, size := s.active().end, int64(len(m.names[s.active().name()].data)); !c.want(end, size) {
				t.Errorf("the file has %d bytes, frames to %d", size, end)
			}
			wantIDs(t, s, 1)
		})
	}
}

// plainFS cannot take space in advance.
type plainFS struct{ FS }

type plainDir struct{ Dir }

type plainFile struct{ File }

func (f plainFS) OpenDir(name string) (Dir, error) {
	d, err := f.FS.OpenDir(name)
	return plainDir{d}, err
}

func (d plainDir) Create(name string) (File, error) {
	f, err := d.Dir.Create(name)
	return plainFile{f}, err
}

func (plainFile) Allocate(int64) error { return errors.ErrUnsupported }
