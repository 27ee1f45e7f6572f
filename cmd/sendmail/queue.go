package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// showQueue becomes "tlsrelay queue list", which says itself if the user may not see the queue.
func showQueue() error {
	const program = "tlsrelay"
	var path string
	if self, err := os.Executable(); err == nil {
		path, _ = exec.LookPath(filepath.Join(filepath.Dir(self), program)) // "" if it is not there
	}
	if path == "" {
		var err error
		if path, err = exec.LookPath(program); err != nil {
			return fail(exitUnavailable, "the queue is shown by \"tlsrelay queue list\", but that program is neither beside "+
				"this one nor in PATH (%v)", err)
		}
	}
	err := syscall.Exec(path, []string{program, "queue", "list"}, os.Environ())
	return fail(exitOSErr, "cannot start %s: %v", path, err)
}
