package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tlsrelay/queue"
)

func checkDamage(t *testing.T, dir string) (Summary, []Damage) {
	t.Helper()
	var found []Damage
	sum, err := Check(dir, func(d Damage) { found = append(found, d) })
	must(t, err)
	if sum.Damaged != len(found) {
		t.Errorf("%d places counted, %d reported", sum.Damaged, len(found))
	}
	return sum, found
}

// Check finds what a start with hints passes over, in segments and in files of large texts, and changes nothing.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	opts := Options{Log: quiet(), LargeText: 1000, idle: true}
	s, err := Open(dir, opts)
	must(t, err)
	must(t, put(s, testItem(1), "text of message 1"))
	must(t, put(s, testItem(2), strings.Repeat("large", 1000)))
	must(t, put(s, testItem(3), "text of message 3"))
	name, off := textPlace(s, 1)
	large := textName(s.texts[2])
	must(t, s.rotate(0))
	s.tidyOnce()
	if sum, found := checkDamage(t, dir); len(found) > 0 || sum.Messages != 3 || sum.Files != 3 || sum.Bytes < 5000 {
		t.Errorf("while in use: %+v, %v", sum, found)
	}
	must(t, s.Close())
	flip := func(name string, off int64) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		must(t, err)
		defer f.Close()
		var b [1]byte
		_, err = f.ReadAt(b[:], off)
		must(t, err)
		b[0] ^= 1
		_, err = f.WriteAt(b[:], off)
		must(t, err)
	}
	flip(name, off+2)
	flip(large, 4321)
	before := listFiles(t, dir)
	sum, found := checkDamage(t, dir)
	if sum.Messages != 2 || len(found) != 2 || found[0].ID != 1 || found[1].ID != 2 || found[0].Offset != headerSize || found[0].File != name {
		t.Errorf("%+v, %+v", sum, found)
	}
	if after := listFiles(t, dir); after != before {
		t.Errorf("files before:\n%s\nafter:\n%s", before, after)
	}
	if s, err = Open(dir, opts); err != nil { // is served: nobody has read the texts yet
		t.Fatal(err)
	}
	defer s.Close()
	wantIDs(t, s, 1, 2, 3)
}

func listFiles(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, "\n")
}

// Check of a spool in full use reports nothing: files come and go while it reads.
func TestCheckWhileInUse(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{Log: quiet(), SegmentSize: 20_000, LargeText: 2000})
	must(t, err)
	defer s.Close()
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for c := range 4 {
		clients.Go(func() {
			for n := 1 + c; ; n += 4 {
				select {
				case <-stop:
					return
				default:
				}
				if err := put(s, testItem(n), strings.Repeat("x", n%50*100)); err != nil {
					t.Error(err)
					return
				}
				if n%10 > 0 {
					if err := finish(s, n); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for range 20 {
		if _, found := checkDamage(t, dir); len(found) > 0 {
			t.Errorf("found %+v", found)
		}
	}
	close(stop)
	clients.Wait()
}

func TestCheckOfNothing(t *testing.T) {
	if _, err := Check(filepath.Join(t.TempDir(), "none"), func(Damage) {}); err == nil {
		t.Error("no error for a directory that is not there")
	}
	if sum, err := Check(t.TempDir(), func(Damage) {}); err != nil || sum != (Summary{}) {
		t.Errorf("an empty directory: %+v, %v", sum, err)
	}
}

// onDisk gives a directory in which messages 1 to n were stored in one segment, and where each frame begins.
func onDisk(t *testing.T, n int) (dir, file string, frames []int64) {
	t.Helper()
	dir = t.TempDir()
	s, err := Open(dir, Options{Log: quiet()})
	must(t, err)
	for i := 1; i <= n; i++ {
		seg := s.segments[len(s.segments)-1]
		file = seg.name()
		frames = append(frames, seg.end)
		must(t, put(s, testItem(i), fmt.Sprintf("text of message %d", i)))
	}
	must(t, s.Close())
	return dir, file, frames
}

// Every byte of a sealed segment is damaged in turn, and found, and nothing is changed.
func TestCheckFindsDamage(t *testing.T) {
	dir, file, frames := onDisk(t, 3)
	s, err := Open(dir, Options{Log: quiet()}) // seals
	must(t, err)
	must(t, put(s, testItem(4), "text of message 4"))
	must(t, s.Close())
	path := filepath.Join(dir, file)
	whole, err := os.ReadFile(path)
	must(t, err)
	ends := append(frames, int64(len(whole)))
	for at := range whole {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x55
		must(t, os.WriteFile(path, damaged, 0o600))
		want := Damage{File: file, Bytes: headerSize}
		messages := 4
		for i := range frames {
			if int64(at) >= ends[i] && int64(at) < ends[i+1] {
				messages, want.Offset, want.Bytes = 3, ends[i], ends[i+1]-ends[i]
				if int64(at) >= ends[i+1]-int64(len("text of message 1")) {
					want.ID = queue.ID(i + 1)
				}
			}
		}
		sum, damage := checkDamage(t, dir)
		if len(damage) != 1 || sum.Messages != messages || sum.Files != 3 {
			t.Fatalf("damage at %d: %+v, %v", at, sum, damage)
		}
		got := damage[0]
		if problem := got.Problem.Error(); strings.Contains(problem, file) || got.ID != 0 && strings.Contains(problem, got.ID.String()) {
			t.Errorf("damage at %d: the problem repeats the place: %s", at, problem)
		}
		if got.Problem = nil; got != want {
			t.Fatalf("damage at %d: %+v, want %+v", at, got, want)
		}
		if found, err := os.ReadFile(path); err != nil || !bytes.Equal(found, damaged) {
			t.Fatalf("damage at %d: the file was changed", at)
		}
	}
	must(t, os.WriteFile(path, whole[:frames[2]+5], 0o600))
	if sum, damage := checkDamage(t, dir); sum.Messages != 3 || len(damage) != 1 || damage[0].Offset != frames[2] {
		t.Errorf("cut off: %+v, %v", sum, damage)
	}
}

// A batch that was being written when the process died was never acknowledged: no damage.
func TestCheckTornTail(t *testing.T) {
	dir, file, frames := onDisk(t, 3)
	must(t, os.Remove(filepath.Join(dir, segmentName(2)))) // it says where the log ends
	path := filepath.Join(dir, file)
	whole, err := os.ReadFile(path)
	must(t, err)
	for cut := frames[2]; cut < int64(len(whole)); cut++ {
		must(t, os.WriteFile(path, whole[:cut], 0o600))
		if sum, damage := checkDamage(t, dir); sum.Messages != 2 || len(damage) != 0 {
			t.Fatalf("cut at %d: %+v, %v", cut, sum, damage)
		}
	}
}

func TestCheckUnreadableFile(t *testing.T) {
	dir, file, _ := onDisk(t, 1)
	must(t, os.Mkdir(filepath.Join(dir, segmentName(7)), 0o700))
	sum, damage := checkDamage(t, dir)
	if sum.Messages != 1 || sum.Files != 3 || len(damage) != 1 || damage[0].File != segmentName(7) || damage[0].Bytes != 0 {
		t.Errorf("%+v, %v", sum, damage)
	}
	path := filepath.Join(dir, file)
	newer, err := os.ReadFile(path)
	must(t, err)
	binary.LittleEndian.PutUint32(newer[8:], segmentVersion+1)
	binary.LittleEndian.PutUint32(newer[60:], crc32.Checksum(newer[:60], crcTable))
	must(t, os.WriteFile(path, newer, 0o600))
	if _, err := Check(dir, func(Damage) {}); !errors.Is(err, errNewer) || !strings.Contains(err.Error(), file) {
		t.Errorf("a newer version: %v", err)
	}
}
