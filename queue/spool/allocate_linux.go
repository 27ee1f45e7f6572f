package spool

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// allocate takes space for size bytes. Not every file system can: then writes take it as they go.
func allocate(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err == nil:
			return nil
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.EINVAL):
			return errors.ErrUnsupported
		}
		return fmt.Errorf("fallocate %s: %w", f.Name(), err)
	}
}
