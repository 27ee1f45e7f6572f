package spool

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
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
