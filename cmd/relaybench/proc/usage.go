//go:build linux

package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Usage is what the processes of a session have consumed so far, those included that have ended and were waited for.
type Usage struct {
	CPU     time.Duration // user and system
	Written int64         // bytes for the disk: write_bytes of /proc/PID/io, counted when a page of a file becomes dirty
}

// Sub gives what was consumed since before.
func (u Usage) Sub(before Usage) Usage { return Usage{u.CPU - before.CPU, u.Written - before.Written} }

// Usage adds up all processes. Between two calls nothing is lost when a process ends: its parent inherits the numbers.
func (s Session) Usage() (Usage, error) {
	const tries = 5 // a process that ends while we count may be missed here and in its parent
	for try := 1; ; try++ {
		u, err := s.usage()
		if !gone(err) || try == tries {
			return u, err
		}
	}
}

func (s Session) usage() (Usage, error) {
	all, err := s.processes()
	if err != nil {
		return Usage{}, err
	}
	if len(all) == 0 {
		return Usage{}, fmt.Errorf("no process of session %d is alive", s)
	}
	var sum Usage
	for _, p := range all {
		cpu, err := cpuTime(p.pid)
		if err != nil {
			return Usage{}, err
		}
		written, err := field(fmt.Sprintf("/proc/%d/io", p.pid), "write_bytes:")
		if err != nil {
			return Usage{}, err
		}
		sum.CPU += cpu + p.children
		sum.Written += written
	}
	return sum, nil
}

// cpuTime reads the processor-time clock of a process, all threads together. It is exact, where the ticks of
// /proc/PID/stat would lose up to 20 ms for each of a hundred processes. See clock_getcpuclockid(3).
func cpuTime(pid int) (time.Duration, error) {
	const schedClock = 2
	var ts syscall.Timespec
	clock := ^uint(pid)<<3 | schedClock
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(int32(clock)), uintptr(unsafe.Pointer(&ts)), 0)
	if errno == syscall.EINVAL {
		errno = syscall.ESRCH // so it is said of a process that has ended
	}
	if errno != 0 {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, errno)
	}
	return time.Duration(ts.Nano()), nil
}

// field reads a number behind its name from a file of /proc, as it stands there. Of a process that is about to end there may
// be none any more: that is ESRCH.
func field(path, name string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) >= 2 && f[0] == name {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s: %w", path, strings.TrimSuffix(name, ":"), syscall.ESRCH)
}
