//go:build linux

package crashtest

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// TestKill kills the relay at random moments under load, once in a while before it is ready.
func TestKill(t *testing.T) {
	long(t)
	r := newRig(t, filepath.Join(t.TempDir(), "data"), "")
	for i := range *kills {
		p := r.launch(t, nil)
		if i%10 == 9 {
			time.Sleep(rand.N(20 * time.Millisecond))
			p.kill()
			continue
		}
		if !p.isReady(t) {
			t.Fatalf("the relay did not start: %v\n%s", p.cmd.ProcessState, p.said())
		}
		if i%25 == 24 {
			r.audit(t, fmt.Sprint(i, " kills"))
		}
		stop := load(t, p, r.books.mix)
		time.Sleep(20*time.Millisecond + rand.N(180*time.Millisecond))
		p.mustRun(t)
		p.kill()
		stop()
	}
	p := r.start(t)
	r.audit(t, "the last kill")
	r.settle(t, p)
	p.stop(t)
	r.conclude(t, *kills, "kills")
}
