//go:build linux

package system

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
)

// syncs are the system calls that make data durable.
const syncs = "fsync,fdatasync,sync_file_range,msync,syncfs,sync"

// CanTrace says why syncs cannot be counted, or nil.
func CanTrace() error {
	if _, err := exec.LookPath("strace"); err != nil {
		return errors.New("strace is not installed")
	}
	if out, err := exec.Command("strace", "-qq", "-f", "--seccomp-bpf", "-e", "trace="+syncs, "true").CombinedOutput(); err != nil {
		return errors.New("strace does not work here: " + string(bytes.TrimSpace(out)))
	}
	return nil
}

// traceArgs has strace write one line for each sync. The program stays our own child (-D), and is stopped at these calls
// alone (--seccomp-bpf), so that the rest of it runs at full speed.
func traceArgs(file string) []string {
	return []string{"-D", "-f", "-qq", "--seccomp-bpf", "-e", "signal=none", "-e", "trace=" + syncs, "-o", file, "--"}
}

// Syncs counts the calls in a file of strace so far. One that is interrupted by another thread takes two lines.
func Syncs(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return bytes.Count(text, []byte{'\n'}) - bytes.Count(text, []byte(" resumed>")), nil
}
