//go:build linux

package proc

import (
	"syscall"
	"time"
)

// Self is the processor time of this program alone, without the programs it started.
func Self() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0 // cannot happen with these arguments
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
