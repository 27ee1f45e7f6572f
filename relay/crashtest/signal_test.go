//go:build linux

package crashtest

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSignals(t *testing.T) {
	r := newRig(t, filepath.Join(t.TempDir(), "data"), "")
	p := r.start(t)
	send := func(s syscall.Signal, want string) {
		t.Helper()
		before := len(p.said())
		must(t, p.cmd.Process.Signal(s))
		p.await(t, 10*time.Second, "after "+s.String()+" the log says "+want, func() bool {
			return strings.Contains(p.said()[before:], want)
		})
	}
	good, err := os.ReadFile(r.config)
	must(t, err)
	rewrite := func(more string) {
		t.Helper()
		must(t, os.WriteFile(r.config, append(good[:len(good):len(good)], more...), 0o600))
	}
	send(syscall.SIGHUP, "the configuration was read again\"")
	rewrite("[queue]\nlifetime = 3\n")
	send(syscall.SIGHUP, ": queue.lifetime: a number does not fit")
	rewrite("[tls]\nfloor = \"1.3\"\n")
	send(syscall.SIGHUP, "the configuration was read again\"")

	stop := load(t, p, r.books.mix)
	time.Sleep(100 * time.Millisecond)
	p.stop(t)
	stop()
	if !strings.Contains(p.said(), "stopped") {
		t.Errorf("the relay ended without saying so:\n%s", p.said())
	}
	p = r.start(t)
	r.settle(t, p)
	p.stop(t)
}
