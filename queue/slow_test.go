package queue

import (
	"slices"
	"testing"
	"time"
)

// A worker that has one job for a minute counts as idle, as long as there may be so many of these, and another one starts in its place.
func TestSlowWorkersCountAsIdle(t *testing.T) {
	f := newFloor(2, each(1))
	f.keep = 2
	wants := func(what string, got []JobKey, want ...string) {
		t.Helper()
		var sites []string
		for _, job := range got {
			sites = append(sites, job.Destination)
		}
		if !slices.Equal(sites, want) {
			t.Errorf("%s: started %v, want %v", what, sites, want)
		}
		if f.inUse() > f.limit || f.slow+f.ready.idle.Len() > f.keep {
			t.Errorf("%s: %d busy, %d slow, %d idle", what, f.inUse(), f.slow, f.ready.idle.Len())
		}
	}
	jobs := map[string]JobKey{}
	for i, site := range []string{"a", "b", "c", "d", "e", "f"} {
		job := dueJob(ID(i+1), site, epoch)
		jobs[site] = job.JobKey
		f.add(job)
	}
	wants("at once", f.step(), "a", "b")
	if d := f.sleep(f.now); d != patience {
		t.Errorf("the next look is in %v", d)
	}
	f.now = f.now.Add(patience - 1)
	wants("before a minute is over", f.step())
	f.now = f.now.Add(1)
	wants("after a minute", f.step(), "c", "d")
	f.now = f.now.Add(2 * patience)
	wants("no more may be idle", f.step())
	if d := f.sleep(f.now); d < patience {
		t.Errorf("the next look is in %v", d)
	}

	f.add(dueJob(7, "a", epoch))
	f.takeDue(stamp(f.now))
	wants("a slow one is done, and has no place", f.finish(jobs["a"], time.Time{}))
	wants("c is slow now", f.step(), "e")
	wants("a place for f, which waits longer than a", append(f.finish(jobs["d"], time.Time{}), f.step()...), "f")
	wants("and for a", append(f.finish(jobs["e"], time.Time{}), f.step()...), "a")
	for _, site := range []string{"b", "c", "f"} {
		wants("the end of "+site, append(f.finish(jobs[site], time.Time{}), f.step()...))
	}
	wants("the end of a", append(f.finish(JobKey{7, "a"}, time.Time{}), f.step()...))
	if f.slow != 0 || f.watched.Len() != 0 || f.workers != f.ready.idle.Len() {
		t.Errorf("%d slow, %d watched, %d workers, %d of them idle", f.slow, f.watched.Len(), f.workers, f.ready.idle.Len())
	}
}

// A worker that goes on from job to job is not slow, whatever they take together.
func TestBusyWorkersAreNotSlow(t *testing.T) {
	f := newFloor(1, each(1))
	for id := ID(1); id <= 10; id++ {
		f.add(dueJob(id, "a", epoch))
	}
	f.add(dueJob(11, "b", epoch))
	f.step()
	var w *worker
	for w = range f.busy {
	}
	for id := ID(2); id <= 9; id++ {
		f.now = f.now.Add(patience / 2)
		f.ready.ahead(w, f.now)
		if o := <-w.orders; !o.ok || o.job.ID != id {
			t.Fatalf("%v after %d", o, id-1)
		}
		if more := f.step(); f.slow != 0 || len(more) > 0 {
			t.Fatalf("after job %d: %d slow, %v", id-1, f.slow, more)
		}
	}
	f.now = f.now.Add(patience)
	if more := f.step(); f.slow != 1 || len(more) != 1 || more[0].Destination != "b" {
		t.Fatalf("%d slow, %v", f.slow, more)
	}
	if f.ready.ahead(w, f.now); (<-w.orders).ok {
		t.Error("one that is slow has got another job")
	}
}

// While all places are taken new mail wakes nobody, so the time has to, whether or not anyone waits now.
func TestFullWithNobodyWaiting(t *testing.T) {
	f := newFloor(2, each(1))
	f.add(dueJob(1, "a", epoch))
	f.step()
	f.now = f.now.Add(patience - time.Second)
	f.add(dueJob(2, "b", f.now))
	f.step()
	if d := f.sleep(f.now); !f.full() || d > time.Second {
		t.Errorf("the next look is in %v", d)
	}
}

// Few strangers have a second worker, those counted that are slow.
func TestSlowStrangersLeaveNoSecondWorker(t *testing.T) {
	f := newFloor(16, each(5))
	for id, site := range []string{"a", "b", "c"} {
		f.add(dueJob(ID(id+1), site, epoch))
	}
	f.stepAmongStrangers()
	f.now = f.now.Add(patience)
	f.stepAmongStrangers()
	f.add(dueJob(4, "z", f.now), dueJob(5, "z", f.now))
	if got := f.stepAmongStrangers(); f.slow != 3 || len(got) != 1 {
		t.Errorf("%d slow, started %v", f.slow, got)
	}
}

// A clock that is set back does not make jobs young.
func TestSlowAfterAStepBack(t *testing.T) {
	f := newFloor(1, each(1))
	f.add(dueJob(1, "a", epoch))
	f.step()
	f.now = f.now.Add(-time.Hour)
	f.stepBack(stamp(f.now))
	f.add(dueJob(2, "b", f.now))
	if got := f.step(); len(got) > 0 {
		t.Errorf("started %v at once", got)
	}
	f.now = f.now.Add(patience)
	if got := f.step(); len(got) != 1 {
		t.Errorf("started %v after a minute", got)
	}
}
