//go:build linux

package crashtest

import (
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestSyscallFaults has system calls on the files of the spool fail, one kind after another: a life of the relay takes in
// mail, delivers, defers and bounces, and in the middle of that a call gets an error, or the process dies in its place.
// Then the power is cut, so that what a failed sync left unsaved is lost for certain, and the next start is audited.
func TestSyscallFaults(t *testing.T) {
	long(t)
	d := newDisk(t, 4<<30)
	r := newRig(t, filepath.Join(d.path, "data"), "")
	s := &faultRun{rig: r, disk: d}
	counts := s.count(t)
	t.Logf("calls in one life without a fault: %v", counts)
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		for _, f := range faultsAt(kind) {
			s.try(t, f, counts[kind])
		}
	}
	s.empty(t)
	t.Logf("%d faults: %v, 0 lost", s.faults, r.books)
}

// faultsAt are the faults that a call of some kind may meet.
func faultsAt(kind string) []fault {
	faults := []fault{
		{kind: kind},
		{kind: kind, errno: syscall.EIO},
		{kind: kind, errno: syscall.ENOSPC},
		{kind: kind, errno: syscall.EIO, lasts: true},
		{kind: kind, errno: syscall.EROFS, lasts: true},
	}
	if takesSpace[kind] {
		faults = append(faults, fault{kind: kind, errno: syscall.ENOSPC, lasts: true})
	}
	return faults
}

// faultRun is the state of a sweep.
type faultRun struct {
	*rig
	disk   *disk
	faults int
}

// count runs lives without a fault, on an empty disk and on one with a spool whose mail is all gone, and gives the number of
// calls of each kind in one of them.
func (s *faultRun) count(t *testing.T) map[string]int {
	t.Helper()
	counts := s.life(t, fault{}).counts
	s.empty(t)
	for kind, n := range s.life(t, fault{}).counts {
		counts[kind] = max(counts[kind], n)
	}
	return counts
}

// empty has all mail delivered.
func (s *faultRun) empty(t *testing.T) {
	t.Helper()
	p := s.start(t)
	s.settle(t, p)
	p.kill()
}

// most is how many occurrences of a call meet each fault when not all do.
var most = inCI(25, 3)

// try has a fault happen at the calls of its kind, of which there are about count in a life: at all, or at some spread over
// them, the first and the last among them. It begins with a spool in which no mail is left, so that there is much to
// remove.
func (s *faultRun) try(t *testing.T, f fault, count int) {
	t.Helper()
	s.empty(t)
	steps := count
	if !*sweep {
		steps = min(count, most)
	}
	hits := 0
	for i := range steps {
		f.nth = 1
		if steps > 1 {
			f.nth = 1 + i*(count-1)/(steps-1)
		}
		if s.life(t, f).found() != "" {
			hits++
		}
	}
	s.faults += hits
	if hits == 0 {
		t.Errorf("%v: it never came to that in %d lives", f, steps)
	}
}

// life is one life of the relay with a fault, and a power cut at its end.
func (s *faultRun) life(t *testing.T, f fault) *tracer {
	t.Helper()
	tr := newTracer(t, filepath.Join(s.dataDir, "spool"), f)
	p := s.launch(t, tr)
	ready := p.isReady(t)
	if ready {
		s.course(t, p, tr)
	}
	what := tr.found()
	switch {
	case what != "" && f.errno == 0:
	case ready:
		s.goesOn(t, p, tr)
	case what == "" || p.cmd.ProcessState.ExitCode() != 1 || p.said() == "":
		t.Fatalf("the start ended with %v; fault: %s\n%s", p.cmd.ProcessState, what, p.said())
	}
	must(t, s.disk.cut(p))
	<-tr.done
	if crash := p.crash(); crash != "" {
		t.Fatalf("%s: the relay crashed: %s", what, crash)
	}
	must(t, s.disk.restore())
	after := s.start(t)
	s.audit(t, what)
	after.kill()
	return tr
}

// course hands in mails of all kinds from some clients at once, and waits until the relay has done what it can.
func (s *faultRun) course(t *testing.T, p *process, tr *tracer) {
	t.Helper()
	var clients sync.WaitGroup
	for c := range 3 {
		clients.Go(func() {
			one := &client{books: s.books, address: p.address}
			defer one.close()
			for i := range 8 {
				size := 4 << 10
				if c == 0 && i%4 == 1 || c == 2 && i == 1 { // of all kinds
					size = 1200 << 10
				}
				one.send(s.books.write(kinds[(c+i)%len(kinds)], size))
			}
		})
	}
	clients.Wait()
	for deadline := time.Now().Add(5 * time.Second); tr.idle() < 50*time.Millisecond && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

// goesOn checks that a relay whose disk works again takes mail again.
func (s *faultRun) goesOn(t *testing.T, p *process, tr *tracer) {
	t.Helper()
	tr.heal()
	c := &client{books: s.books, address: p.address}
	defer c.close()
	p.await(t, 10*time.Second, tr.found()+", and then mail is taken again", func() bool {
		return c.send(s.books.write(good, 4<<10)) == nil
	})
}
