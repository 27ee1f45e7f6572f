//go:build linux

package crashtest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTwoRelays starts a second relay on the data of one that works. It must say so in one line and do no harm.
func TestTwoRelays(t *testing.T) {
	r := newRig(t, filepath.Join(t.TempDir(), "data"), "")
	first := r.start(t)
	stop := load(t, first, r.books.mix)
	for range 5 {
		second := r.launch(t, nil)
		if second.isReady(t) {
			t.Fatal("a second relay works on the same data")
		}
		said, want := second.said(), fmt.Sprintf("in use by process %d\n", first.cmd.Process.Pid)
		if code := second.cmd.ProcessState.ExitCode(); code != 1 || strings.Count(said, "\n") != 1 || !strings.HasSuffix(said, want) {
			t.Errorf("the second relay ended with %d and %q, want 1 and one line that ends in %q", code, said, want)
		}
	}
	time.Sleep(100 * time.Millisecond)
	stop()
	r.settle(t, first)
	if acked, refused := r.books.replies(); acked == 0 || len(refused) > 0 {
		t.Errorf("the first relay took %d mails and refused %v", acked, refused)
	}
	first.kill()
	r.settle(t, r.start(t)) // the lock went with its holder
}
