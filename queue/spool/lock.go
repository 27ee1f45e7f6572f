package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const lockName = "lock"

// lockDir takes the lock that keeps a second process off dir. The lock ends with the returned file, and so with the
// process, however that dies; the file itself stays, because removing it would let two processes lock two files.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("spool: %s is in use by process %s", dir, lockHolder(f))
	} else if err != nil {
		err = fmt.Errorf("spool: lock %s: %w", path, err)
	} else if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lockHolder gives the process number in a lock file, "?" if the holder has not written it yet.
func lockHolder(f *os.File) string {
	text, _ := io.ReadAll(io.NewSectionReader(f, 0, 20))
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		return strconv.Itoa(pid)
	}
	return "?"
}
