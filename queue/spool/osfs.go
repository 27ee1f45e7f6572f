package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// osFS is the operating system's file system.
type osFS struct{}

// OpenDir implements [FS].
func (osFS) OpenDir(dir string) (Dir, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := SecureDir(dir); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	return &osDir{path: dir, lock: lock}, nil
}

// makeDir creates dir and the parents it lacks. Each new name is synced in its parent: a power cut after the first
// accepted message must not take the folder away.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// SecureDir creates dir if it is not there, durably, and refuses one in which another user could put or replace files.
func SecureDir(dir string) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	return checkDir(dir)
}

// checkDir refuses a directory in which another user could put or replace files.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to %s, but this command runs as %s: run it as %[2]s, or chown the folder",
			dir, userName(int(st.Uid)), userName(os.Geteuid()))
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be written by group or others (mode %04o): chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}

// userName is how people call the user with a number.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return "user " + u.Username
	}
	return "user number " + strconv.Itoa(uid)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

type osDir struct {
	path string
	lock *os.File
}

func (d *osDir) List() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (d *osDir) Create(name string) (File, error) {
	return d.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (d *osDir) Open(name string) (File, error) {
	f, err := d.open(name, os.O_RDONLY|syscall.O_NONBLOCK) // a FIFO must not hang the start
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", name))
	}
	return f, nil
}

func (d *osDir) open(name string, flags int) (*osFile, error) {
	f, err := os.OpenFile(filepath.Join(d.path, name), flags|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return &osFile{f}, nil
}

func (d *osDir) Rename(from, to string) error {
	return os.Rename(filepath.Join(d.path, from), filepath.Join(d.path, to))
}

func (d *osDir) Truncate(name string, size int64) error {
	return os.Truncate(filepath.Join(d.path, name), size)
}

func (d *osDir) Free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.path, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", d.path, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

func (d *osDir) Remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }
func (d *osDir) Sync() error              { return syncDir(d.path) }
func (d *osDir) Close() error             { return d.lock.Close() }

type osFile struct{ *os.File }

func (f *osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *osFile) Allocate(size int64) error { return allocate(f.File, size) }
func (f *osFile) Sync() error               { return datasync(f.File) }
