package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestDirIsMadePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var", "spool")
	s, err := Open(dir, Options{Log: quiet()})
	must(t, err)
	defer s.Close()
	must(t, put(s, testItem(1), "text"))
	err = filepath.Walk(dir, func(path string, info fs.FileInfo, err error) error {
		want := fs.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
		return err
	})
	must(t, err)
}

func TestDirRefused(t *testing.T) {
	refused := func(name, dir, want string) {
		t.Helper()
		s, err := Open(dir, Options{Log: quiet()})
		if err == nil {
			s.Close()
			t.Fatalf("%s: opened", name)
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q, want one line with %q", name, err, want)
		}
	}
	for _, mode := range []fs.FileMode{0o720, 0o702, 0o777} {
		dir := t.TempDir()
		must(t, os.Chmod(dir, mode))
		refused("mode "+mode.String(), dir, "chmod 700")
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	refused("a file", file, "is not a directory")
	if os.Geteuid() == 0 {
		dir := t.TempDir()
		must(t, os.Chown(dir, 12345, -1))
		refused("another owner", dir, "belongs to user number 12345, but")
	} else {
		refused("another owner", "/", "belongs to user root, but")
	}
	dir := t.TempDir()
	must(t, os.Symlink("/dev/null", filepath.Join(dir, lockName)))
	refused("a link as lock", dir, "symbolic links")
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{Log: quiet()})
	must(t, err)
	_, err = Open(dir, Options{Log: quiet()})
	if want := "in use by process " + strconv.Itoa(os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("error %v, want %q", err, want)
	}
	must(t, s.Close())
	s, err = Open(dir, Options{Log: quiet()})
	must(t, err)
	must(t, s.Close())
	must(t, s.Close())
}

func TestLockHolderUnknown(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), lockName))
	must(t, err)
	defer f.Close()
	if got := lockHolder(f); got != "?" {
		t.Errorf("holder %q of an empty lock file", got)
	}
}

func TestFilesAreNotFollowed(t *testing.T) {
	d := &osDir{path: t.TempDir()}
	must(t, os.Symlink("/etc/passwd", filepath.Join(d.path, "link")))
	must(t, syscall.Mkfifo(filepath.Join(d.path, "fifo"), 0o600))
	must(t, os.Mkdir(filepath.Join(d.path, "dir"), 0o700))
	for _, name := range []string{"link", "fifo", "dir", "absent"} {
		if f, err := d.Open(name); err == nil {
			f.Close()
			t.Errorf("%s was opened", name)
		}
	}
	if _, err := d.Create("link"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a link: %v", err)
	}
}

// A segment that cannot be opened is told of, stays, and stops nothing.
func TestUnreadableSegmentStays(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{Log: quiet()})
	must(t, err)
	must(t, put(s, testItem(1), "text"))
	must(t, s.Close())
	link := filepath.Join(dir, segmentName(1<<30))
	must(t, os.Symlink("/dev/null", link))
	for range 2 {
		s, err = Open(dir, Options{Log: quiet()})
		must(t, err)
		wantIDs(t, s, 1)
		if st := s.Stats(); st.Damaged != 1 {
			t.Errorf("%d damaged places, want 1", st.Damaged)
		}
		must(t, s.Close())
	}
	if _, err := os.Lstat(link); err != nil {
		t.Error(err)
	}
}
