//go:build linux

package crashtest

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"tlsrelay/relay/need"
)

// The defaults are for everyday runs, and for CI. A night's campaign has more: -kill 5000 -cuts 5000 -sweep.
var (
	kills = flag.Int("kill", inCI(300, 50), "how often TestKill kills the relay")
	cuts  = flag.Int("cuts", inCI(200, 25), "how often TestPowerCut cuts the power")
	sweep = flag.Bool("sweep", false, "TestSyscallFaults tries every fault at every system call, not at a sample")
)

func inCI(there, elsewhere int) int {
	if need.InCI() {
		return there
	}
	return elsewhere
}

func TestMain(m *testing.M) {
	if os.Getenv(tracedVariable) != "" {
		fmt.Fprintln(os.Stderr, becomeTraced(os.Args[1:])) // it returns only when it fails
		os.Exit(1)
	}
	if err := ownMounts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(programDir)
		os.Exit(code)
	}))
}

// ownMounts gives root's tests a mount namespace of their own, by starting this program once more. So no mount is left behind
// even if the tests are killed.
func ownMounts() error {
	const done = "TLSRELAY_CRASHTEST_MOUNTS"
	if os.Geteuid() != 0 || os.Getenv(done) != "" {
		return nil
	}
	runtime.LockOSThread() // until exec the namespace is that of one thread
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("a mount namespace: %w", err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	os.Setenv(done, "1")
	return fmt.Errorf("%s: %w", self, syscall.Exec(self, os.Args, os.Environ()))
}

// long skips a test that takes more than a moment.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}
