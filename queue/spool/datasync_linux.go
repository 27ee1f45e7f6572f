package spool

import (
	"fmt"
	"os"
	"syscall"
)

// datasync makes the data and the length of f durable. It leaves out the times, which would cost a journal write.
func datasync(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = raw.Control(func(fd uintptr) {
		for syncErr = syscall.EINTR; syncErr == syscall.EINTR; {
			syncErr = syscall.Fdatasync(int(fd))
		}
	})
	if err == nil && syncErr != nil {
		err = fmt.Errorf("fdatasync %s: %w", f.Name(), syncErr)
	}
	return err
}
