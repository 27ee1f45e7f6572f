//go:build linux

package crashtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLargeMessages has ten clients hand in the largest messages at once, twice. The relay promises that its memory does not
// grow with them, neither while they come in nor while they go out.
func TestLargeMessages(t *testing.T) {
	long(t)
	const (
		clients = 10
		size    = 50e6 - 1000 // within the default limit, together with the relay's own fields
		bound   = 100e6
	)
	r := newRig(t, filepath.Join(t.TempDir(), "data"), "")
	p := r.start(t)
	stop := load(t, p, r.books.mix)
	time.Sleep(300 * time.Millisecond)
	stop()
	r.settle(t, p)
	idle := memory(t, p, "VmRSS")
	for round := range 2 {
		resetPeak(t, p)
		var sending sync.WaitGroup
		for range clients {
			sending.Go(func() {
				c := &client{books: r.books, address: p.address}
				defer c.close()
				if err := c.send(r.books.write(wait, size)); err != nil {
					t.Errorf("a large message was not taken: %v", err)
				}
			})
		}
		sending.Wait()
		accepting := memory(t, p, "VmHWM")
		resetPeak(t, p)
		r.settle(t, p)
		delivering := memory(t, p, "VmHWM")
		t.Logf("round %d: %.0f MB when idle, %.0f MB while messages came in, %.0f MB while they went out",
			round+1, float64(idle)/1e6, float64(accepting)/1e6, float64(delivering)/1e6)
		if grown := max(accepting, delivering) - idle; grown >= bound {
			t.Errorf("round %d: the relay's memory has grown by %.0f MB, want less than %.0f MB", round+1, float64(grown)/1e6, bound/1e6)
		}
	}
	p.stop(t)
}

// memory gives a figure of proc_pid_status(5) in bytes: VmRSS is the resident memory, VmHWM its peak.
func memory(t *testing.T, p *process, name string) (bytes int64) {
	t.Helper()
	p.mustRun(t)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	must(t, err)
	_, line, _ := strings.Cut(string(text), "\n"+name+":")
	if _, err := fmt.Sscanf(line, "%d kB", &bytes); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return bytes * 1024
}

// resetPeak has VmHWM start anew, proc_pid_clear_refs(5).
func resetPeak(t *testing.T, p *process) {
	t.Helper()
	must(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0))
}
