package bare

import (
	"os"
	"syscall"
)

// datasync is fdatasync(2): file content and size, without the time of change.
func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
