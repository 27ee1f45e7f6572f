package account

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxFile is the largest file that is read, in bytes; it holds some hundred thousand accounts.
const maxFile = 64 << 20

// current gives the accounts as they are in the file now. The map is not to be changed.
func (f *File) current() (map[string]record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		f.seen, f.records = nil, nil
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	if f.seen != nil && same(f.seen, info) {
		return f.records, nil
	}
	records, info, err := read(f.path)
	if err != nil {
		return nil, err
	}
	f.seen, f.records = info, records
	return records, nil
}

// same reports whether two states are those of one file that was not written in between.
func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// read reads the file and tells which one it was. The state is taken before the content: a change between the two is
// seen the next time.
func read(path string) (map[string]record, os.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("accounts: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("accounts: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("accounts: %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, nil, fmt.Errorf("accounts: others may read or write %s (mode %04o): run chmod 600 %s", path, mode, path)
	}
	if info.Size() > maxFile {
		return nil, nil, fmt.Errorf("accounts: %s is larger than %d bytes", path, maxFile)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, nil, fmt.Errorf("accounts: %w", err)
	}
	records, err := parse(string(content))
	if err != nil {
		return nil, nil, fmt.Errorf("accounts: %s: %w", path, err)
	}
	return records, info, nil
}

// parse reads the content of a file. Its errors name the line, not what stands in it.
func parse(content string) (map[string]record, error) {
	records := map[string]record{}
	number := 0
	for line := range strings.Lines(content) {
		number++
		name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		if checkName(name) != nil {
			return nil, fmt.Errorf("line %d: not a line like name:$argon2id$...", number)
		}
		r, err := parseRecord(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if _, twice := records[name]; twice {
			return nil, fmt.Errorf("line %d: the account stands in the file twice", number)
		}
		records[name] = r
	}
	return records, nil
}

func format(records map[string]record) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(records)) {
		fmt.Fprintf(&b, "%s:%s\n", name, records[name])
	}
	return b.Bytes()
}

// change reads the accounts, lets edit change them and writes them, all under a lock that other processes see.
func (f *File) change(edit func(map[string]record) error) error {
	unlock, err := lock(f.path + ".lock")
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	defer unlock()
	now, err := f.current()
	if err != nil {
		return err
	}
	records := maps.Clone(now)
	if records == nil {
		records = map[string]record{}
	}
	if err := edit(records); err != nil {
		return err
	}
	if err := replace(f.path, format(records)); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	return nil
}

// lock waits until no other process holds the lock file.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}

// replace writes the file anew: whole or not at all, and durable.
func replace(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // in vain after the rename
	_, err = file.Write(content)
	if err == nil {
		err = keepOwner(file, path)
	}
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// keepOwner gives the new file to the owner of the old one, or of the folder if there is no old one: root adds accounts
// to a relay that runs as another user and must be able to read them.
func keepOwner(file *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
