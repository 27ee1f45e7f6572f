//go:build linux

package crashtest

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// TestPowerCut cuts the power at random moments under load. A disk stays for some cuts, so that the spool gets old.
func TestPowerCut(t *testing.T) {
	long(t)
	d := newDisk(t, 8<<30)
	r := newRig(t, filepath.Join(d.path, "data"), "")
	const cutsOfDisk = 50
	for i := range *cuts {
		if i > 0 && i%cutsOfDisk == 0 {
			emptyAndReplace(t, r, d)
		}
		cutPower(t, r, d, i)
	}
	p := r.start(t)
	r.audit(t, "the last cut")
	r.settle(t, p)
	p.stop(t)
	r.conclude(t, *cuts, "power cuts")
}

// cutPower starts the relay, audits what the cut before has left, and cuts the power again: now and then during the start,
// and once in a while after a time that is long enough for a segment to fill.
func cutPower(t *testing.T, r *rig, d *disk, i int) {
	t.Helper()
	p := r.launch(t, nil)
	next, during := r.books.mix, 30*time.Millisecond+rand.N(120*time.Millisecond)
	if i%10 == 9 {
		time.Sleep(rand.N(30 * time.Millisecond))
	} else {
		if !p.isReady(t) {
			t.Fatalf("the relay did not start: %v\n%s", p.cmd.ProcessState, p.said())
		}
		r.audit(t, fmt.Sprint(i, " power cuts"))
		if i%25 == 24 {
			next, during = r.books.heavy, 1500*time.Millisecond
		}
		stop := load(t, p, next)
		defer stop()
		time.Sleep(during)
		p.mustRun(t)
	}
	must(t, d.cut(p))
	if crash := p.crash(); crash != "" {
		t.Fatalf("the relay crashed: %s", crash)
	}
	must(t, d.restore())
}

// emptyAndReplace has all mail delivered and goes on with a fresh disk.
func emptyAndReplace(t *testing.T, r *rig, d *disk) {
	t.Helper()
	p := r.start(t)
	r.settle(t, p)
	p.stop(t)
	must(t, d.unmount())
	must(t, d.format())
	must(t, d.mount())
}
