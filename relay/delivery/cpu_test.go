package delivery

import (
	"syscall"
	"time"
)

// cpu is how long this process has worked: the clock of a bubble does not tell.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
