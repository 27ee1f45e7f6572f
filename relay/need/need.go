// Package need lets a test say what it needs of the machine. Where that is missing the test is skipped; with CI=true in
// the environment it fails instead, so that nothing goes untested unseen.
package need

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// InCI reports whether tests must not be skipped.
func InCI() bool { return os.Getenv("CI") == "true" }

// That ends the test unless err, which says why something is not there, is nil.
func That(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case InCI():
		t.Fatalf("this test needs %s: %v", what, err)
	default:
		t.Skipf("this test needs %s: %v", what, err)
	}
}

// Root ends the test unless it runs as root.
func Root(t testing.TB) {
	t.Helper()
	var err error
	if uid := os.Geteuid(); uid != 0 {
		err = fmt.Errorf("it runs as user %d", uid)
	}
	That(t, "root", err)
}

// Programs ends the test unless all the programs are there.
func Programs(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := Path(name)
		That(t, name, err)
	}
}

// unpacked is where programs lie whose package cannot be installed beside others that tests need (.ci/run unpacks them).
const unpacked = "/opt/peers/usr/sbin"

// Path finds a program, also where only root has it in the path, and among those that are only unpacked.
func Path(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", unpacked} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	return path, err
}
