//go:build linux

package crashtest

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestSyscallFaults has system calls on the files of the spool fail, one kind after another: a life of the relay takes in
// mail, delivers, defers and bounces, fills segments, copies what is left in them and removes them, and in the middle of
// that a call gets an error, or the process dies in its place. Then the power is cut, so that what a failed sync left
// unsaved is lost for certain, and the next start is audited.
func TestSyscallFaults(t *testing.T) {
	long(t)
	d := newDisk(t, 4<<30)
	r := newRig(t, filepath.Join(d.path, "data"), "")
	s := &faultRun{rig: r, disk: d}
	counts := s.count(t)
	t.Logf("calls in one life without a fault: %v", counts)
	for _, at := range slices.SortedFunc(maps.Keys(counts), target.compare) {
		for _, f := range faultsAt(at) {
			s.try(t, f, counts[at])
		}
	}
	s.empty(t)
	t.Logf("%d faults: %v, 0 lost", s.faults, r.books)
}

// faultsAt are the faults that some calls may meet.
func faultsAt(at target) []fault {
	faults := []fault{
		{target: at},
		{target: at, errno: syscall.EIO},
		{target: at, errno: syscall.ENOSPC},
		{target: at, errno: syscall.EIO, lasts: true},
		{target: at, errno: syscall.EROFS, lasts: true},
	}
	if takesSpace[at.kind] {
		faults = append(faults, fault{target: at, errno: syscall.ENOSPC, lasts: true})
	}
	return faults
}

// faultRun is the state of a sweep.
type faultRun struct {
	*rig
	disk    *disk
	faults  int
	emptied int // the latest life that began to have all mail delivered
}

// mustReach are calls without which a life would miss a part of what the store does.
var mustReach = []target{
	{"rename", "spare"}, {"fallocate", "spare"}, {"fsync", "folder"},
	{"write", "segment"}, {"fdatasync", "segment"}, {"truncate", "segment"}, {"unlink", "segment"},
	{"create", "hint"}, {"write", "hint"}, {"unlink", "hint"},
	{"create", "text"}, {"write", "text"}, {"fdatasync", "text"}, {"unlink", "text"},
}

// count runs lives without a fault, and gives the number of calls in one that finds a spool as those with faults do.
func (s *faultRun) count(t *testing.T) map[target]int {
	t.Helper()
	s.life(t, fault{}) // makes the folder
	s.empty(t)
	counts := s.life(t, fault{}).counts
	for _, want := range mustReach {
		if counts[want] == 0 {
			t.Errorf("a life without a fault has no call %v: %v", want, counts)
		}
	}
	return counts
}

// empty has all mail delivered.
func (s *faultRun) empty(t *testing.T) {
	t.Helper()
	p := s.start(t)
	s.settle(t, p)
	p.kill()
	s.emptied = s.lives
}

// most is how many occurrences of a call meet each fault when not all do.
var most = inCI(4, 2)

// try has a fault happen at some calls, of which there are about count in a life: at all, or at the first and some drawn
// from all over them. Lives find what those before have left, but not so much that all they do is to copy it.
func (s *faultRun) try(t *testing.T, f fault, count int) {
	t.Helper()
	steps := count
	if !*sweep {
		steps = min(count, most)
	}
	hits := 0
	for i := range steps {
		if s.lives > s.emptied+20 {
			s.empty(t)
		}
		f.nth = 1
		if i > 0 {
			f.nth += (i*count + rand.N(count)) / steps
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
