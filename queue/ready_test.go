package queue

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// each makes each destination a site of so many workers.
func each(workers int) func(string) (Site, bool) {
	return func(destination string) (Site, bool) { return Site{Name: destination, Workers: workers}, true }
}

func dueJob(id ID, destination string, due time.Time) DueJob {
	return DueJob{JobKey{id, destination}, due}
}

// floor plays the workers of a ready.
type floor struct {
	*ready
	now  time.Time
	busy map[*worker]JobKey
	idle []*worker
}

func newFloor(limit int, siteOf func(string) (Site, bool)) *floor {
	return &floor{ready: newReady(limit, limit, siteOf), now: epoch, busy: map[*worker]JobKey{}}
}

// step has the jobs start that can, and gives them in the order of their IDs. All sites are proven.
func (f *floor) step() []JobKey {
	f.takeDue(stamp(f.now))
	for _, s := range f.sites {
		s.proven = true
	}
	return f.stepAmongStrangers()
}

func (f *floor) stepAmongStrangers() []JobKey {
	begun := f.start(f.now)
	f.idle = append(f.idle, begun...)
	f.audit()
	return f.obey()
}

// audit checks the count of the jobs that stand somewhere.
func (f *floor) audit() {
	n := 0
	for _, s := range f.sites {
		n += s.jobs.len()
	}
	for _, jobs := range f.unknown {
		n += jobs.len()
	}
	if n != f.standing {
		panic(fmt.Sprintf("%d jobs stand with sites and destinations, %d are counted", n, f.standing))
	}
}

// obey reads the orders of the idle workers.
func (f *floor) obey() (started []JobKey) {
	f.idle = slices.DeleteFunc(f.idle, func(w *worker) bool {
		select {
		case o := <-w.orders:
			if o.ok {
				f.busy[w] = o.job
				started = append(started, o.job)
			}
			return true
		default:
			return false
		}
	})
	slices.SortFunc(started, func(a, b JobKey) int { return int(a.ID) - int(b.ID) })
	return started
}

// finish ends the attempt of a job; next is when it is due again, if it is.
func (f *floor) finish(job JobKey, next time.Time) []JobKey {
	for w, its := range f.busy {
		if its != job {
			continue
		}
		delete(f.busy, w)
		if !next.IsZero() {
			f.add(DueJob{job, next})
		}
		f.next(w, f.now)
		f.idle = append(f.idle, w)
		return f.obey()
	}
	panic("nobody has this job")
}

// workOff starts and ends jobs until nothing is due, and counts the attempts.
func (f *floor) workOff() (n int) {
	for {
		f.step()
		if len(f.busy) == 0 {
			return n
		}
		for w := range f.busy {
			f.finish(f.busy[w], time.Time{})
			n++
		}
	}
}

func TestReadyServesSitesInTurn(t *testing.T) {
	f := newFloor(6, each(2))
	for i := range ID(100) {
		f.add(dueJob(i, "big.test", epoch))
	}
	for i := range ID(3) {
		f.add(dueJob(1000+i, fmt.Sprintf("small%d.test", i), epoch))
	}
	count := map[string]int{}
	for _, job := range f.step() {
		count[job.Destination]++
	}
	if count["big.test"] != 2 || count["small0.test"] != 1 || count["small1.test"] != 1 || count["small2.test"] != 1 {
		t.Errorf("started %v", count)
	}
	if more := f.step(); len(more) != 0 {
		t.Errorf("started %v above the limit of the site", more)
	}
	if more := f.finish(JobKey{0, "big.test"}, time.Time{}); len(more) != 1 || more[0] != (JobKey{2, "big.test"}) {
		t.Errorf("after an end started %v", more)
	}
}

func TestReadyLimitsAll(t *testing.T) {
	f := newFloor(3, each(2))
	for i := range ID(10) {
		f.add(dueJob(i, fmt.Sprintf("d%d.test", i), epoch))
	}
	if jobs := f.step(); len(jobs) != 3 || f.workers != 3 || !f.full() {
		t.Errorf("started %v, %d workers", jobs, f.workers)
	}
	if jobs := f.finish(JobKey{0, "d0.test"}, time.Time{}); len(jobs) != 0 || f.full() {
		t.Errorf("the place of a site without work is not given back: %v, %d workers", jobs, f.workers)
	}
	if jobs := f.step(); len(jobs) != 1 || jobs[0].ID != 3 {
		t.Errorf("started %v in the free place", jobs)
	}
}

// A worker that is idle takes the next job of its site. It takes no place from other sites, but there is a limit for idle ones,
// too: the longest idle one goes.
func TestReadyKeepsWorkersForTheirSite(t *testing.T) {
	f := newFloor(2, each(1))
	f.add(dueJob(1, "a.test", epoch))
	f.step()
	f.finish(JobKey{1, "a.test"}, time.Time{})
	if f.workers != 1 || f.ready.idle.Len() != 1 {
		t.Fatalf("%d workers, %d idle", f.workers, f.ready.idle.Len())
	}
	kept := f.idle[0]
	f.add(dueJob(2, "a.test", epoch))
	f.step()
	if f.busy[kept].ID != 2 || f.workers != 1 {
		t.Fatalf("the idle worker was not used: %v", f.busy)
	}
	f.finish(JobKey{2, "a.test"}, time.Time{})
	f.add(dueJob(3, "b.test", epoch), dueJob(4, "c.test", epoch))
	if jobs := f.step(); len(jobs) != 2 || f.workers != 3 || len(f.idle) != 1 || !f.full() {
		t.Errorf("started %v with %d workers, %d idle", jobs, f.workers, len(f.idle))
	}
	f.finish(JobKey{3, "b.test"}, time.Time{})
	f.finish(JobKey{4, "c.test"}, time.Time{})
	f.obey()
	if f.workers != 2 || len(f.idle) != 2 || slices.Contains(f.idle, kept) {
		t.Errorf("%d workers, %d idle", f.workers, len(f.idle))
	}
}

func TestReadyLetsAnIdleWorkerLeave(t *testing.T) {
	f := newFloor(2, each(1))
	f.add(dueJob(1, "a.test", epoch))
	f.step()
	f.finish(JobKey{1, "a.test"}, time.Time{})
	w := f.idle[0]
	f.leave(w)
	f.obey()
	if f.workers != 0 || len(f.idle) != 0 || f.ready.idle.Len() != 0 {
		t.Errorf("%d workers, %d idle", f.workers, f.ready.idle.Len())
	}

	f.add(dueJob(2, "a.test", epoch))
	f.start(f.now) // gives the order while the worker asks to leave
	for _, w := range f.sites["a.test"].idle {
		t.Errorf("%v is idle beside work", w)
	}
}

func TestReadyGivesJobsAhead(t *testing.T) {
	f := newFloor(2, each(1))
	f.add(dueJob(1, "a.test", epoch), dueJob(2, "a.test", epoch), dueJob(3, "a.test", epoch))
	f.step()
	for w := range f.busy {
		f.ahead(w, f.now)
		if o := <-w.orders; !o.ok || o.job.ID != 2 {
			t.Errorf("ahead: %+v", o)
		}
		f.stop()
		f.ahead(w, f.now)
		if o := <-w.orders; o.ok {
			t.Errorf("a job ahead after the stop: %+v", o)
		}
	}
}

// A worker of a site with endless work gives way to other sites when all places are taken.
func TestReadyIsFairWhenFull(t *testing.T) {
	f := newFloor(1, each(1))
	for i := range ID(10 * quantum) {
		f.add(dueJob(i, "big.test", epoch))
	}
	job := f.step()[0]
	f.add(dueJob(10_000, "small.test", epoch))
	f.step()
	for n := 1; ; n++ {
		next := f.finish(job, time.Time{})
		if len(next) == 0 {
			next = f.step()
		}
		if job = next[0]; job.Destination == "small.test" {
			if n != quantum {
				t.Errorf("the small site waited for %d jobs", n)
			}
			return
		}
		if n > 2*quantum {
			t.Fatal("the small site waits for ever")
		}
	}
}

func TestReadyWaitsForTheTime(t *testing.T) {
	f := newFloor(10, each(10))
	f.add(dueJob(2, "b.test", epoch.Add(time.Hour)), dueJob(1, "a.test", epoch.Add(time.Minute)))
	if jobs := f.step(); len(jobs) != 0 {
		t.Fatalf("started %v too early", jobs)
	}
	if d := f.sleep(epoch); d != time.Minute {
		t.Errorf("sleeps %v", d)
	}
	f.now = epoch.Add(time.Minute)
	if jobs := f.step(); len(jobs) != 1 || jobs[0].ID != 1 {
		t.Errorf("started %v", jobs)
	}
	f.bound(epoch.Add(2 * time.Minute))
	f.clamp()
	f.now = epoch.Add(2 * time.Minute)
	if jobs := f.step(); len(jobs) != 1 || jobs[0].ID != 2 {
		t.Errorf("started %v after the clock was put right", jobs)
	}
}

func TestReadyForgetsIdleSites(t *testing.T) {
	f := newFloor(10, each(10))
	for i := range ID(50) {
		f.add(dueJob(i, fmt.Sprintf("d%d.test", i), epoch))
	}
	f.workOff()
	f.stop()
	f.forget(stamp(epoch.Add(time.Minute)))
	if len(f.sites) != 50 {
		t.Errorf("%d sites are remembered after a minute", len(f.sites))
	}
	f.forget(stamp(epoch.Add(longestRest + time.Second)))
	if len(f.sites) != 0 || f.turn.len() != 0 || f.workers != 0 {
		t.Errorf("%d sites, %d turns, %d workers left", len(f.sites), f.turn.len(), f.workers)
	}
}

func TestReadyMergesEqualHints(t *testing.T) {
	f := newFloor(10, each(10))
	for range 3 {
		f.add(dueJob(1, "a.test", epoch), dueJob(2, "a.test", epoch), dueJob(1, "b.test", epoch))
	}
	if n := f.workOff(); n != 3 {
		t.Errorf("%d attempts for 3 jobs", n)
	}
}

// An operator who has the same jobs tried again and again must not fill the memory with hints for later.
func TestReadySweepsSpareHints(t *testing.T) {
	const jobs, rounds = 2000, 50
	f := newFloor(10, each(10))
	for i := range ID(jobs) {
		f.add(dueJob(i, "a.test", f.now.Add(4*time.Hour)))
	}
	most := 0
	for round := range rounds {
		f.now = f.now.Add(time.Minute)
		for i := range ID(jobs) {
			f.take(news{retried: []DueJob{dueJob(i, "a.test", f.now)}})
		}
		for f.step(); len(f.busy) > 0; f.step() {
			for w := range f.busy { // deferred again
				f.finish(f.busy[w], f.now.Add(4*time.Hour+time.Duration(round)*time.Second))
			}
		}
		most = max(most, len(f.waiting))
	}
	if most > 3*jobs+2*minSpare {
		t.Errorf("up to %d hints for %d jobs", most, jobs)
	}
	seen := map[ID]bool{}
	for _, h := range f.waiting {
		seen[h.id] = true
	}
	if len(seen) != jobs {
		t.Errorf("hints for %d of %d jobs are left", len(seen), jobs)
	}
}

func TestReadyBoundsWrongTimes(t *testing.T) {
	f := newFloor(10, each(10))
	f.bound(epoch.Add(8 * time.Hour))
	f.add(dueJob(1, "a.test", epoch.AddDate(1, 0, 0)))
	if d := f.sleep(epoch); d != 8*time.Hour {
		t.Errorf("sleeps %v", d)
	}
}

// After downtime all jobs are due: the first must not wait until all are looked at, and none may be left.
func TestReadyTakesManyInSteps(t *testing.T) {
	const jobs = 2*maxDue + 10
	f := newFloor(1, each(1))
	for i := range ID(jobs) {
		f.add(dueJob(i, "a.test", epoch))
	}
	first := f.stepAmongStrangers()
	if len(first) != 1 || len(f.waiting) != jobs-maxDue {
		t.Errorf("%d jobs started with %d still to look at", len(first), len(f.waiting))
	}
	f.finish(first[0], time.Time{})
	if n := f.workOff(); n != jobs-1 {
		t.Errorf("%d of %d jobs were tried", n, jobs-1)
	}
}

func TestReadyGivesMemoryBack(t *testing.T) {
	const jobs = 50_000
	f := newFloor(1, each(1))
	for i := range ID(jobs) {
		f.add(dueJob(i, "a.test", epoch))
	}
	for len(f.waiting) > 0 {
		f.step()
	}
	s := f.sites["a.test"]
	if room := cap(f.waiting); room > 4*waitingSpare {
		t.Errorf("the empty heap has room for %d", room)
	}
	for left := s.jobs.len(); left > 0; left = s.jobs.len() {
		if room := cap(s.jobs.items); room > 4*(left+fifoSpare) {
			t.Fatalf("%d jobs are left in room for %d", left, room)
		}
		for w := range f.busy {
			f.finish(f.busy[w], time.Time{})
		}
	}
}

// Destinations with the same hosts share a site; what it may change while jobs wait.
func TestReadySharesALimitBySite(t *testing.T) {
	workers := 1
	f := newFloor(10, func(string) (Site, bool) { return Site{Name: "smarthost", Workers: workers}, true })
	f.add(dueJob(1, "a.test", epoch), dueJob(2, "b.test", epoch), dueJob(3, "c.test", epoch))
	if jobs := f.step(); len(jobs) != 1 {
		t.Fatalf("started %v", jobs)
	}
	workers = 2
	f.add(dueJob(4, "d.test", epoch))
	if jobs := f.step(); len(jobs) != 1 || jobs[0].ID != 2 {
		t.Errorf("started %v after the limit has changed", jobs)
	}
}

func TestReadyAsksForUnknownSites(t *testing.T) {
	f := newFloor(1000, func(string) (Site, bool) { return Site{}, false })
	for i := range ID(2 * maxAsking) {
		f.add(dueJob(2*i, fmt.Sprintf("d%d.test", i), epoch), dueJob(2*i+1, fmt.Sprintf("d%d.test", i), epoch))
	}
	if jobs := f.step(); len(jobs) != 0 {
		t.Fatalf("started %v", jobs)
	}
	asked := f.questions()
	if len(asked) != maxAsking || len(f.questions()) != 0 {
		t.Fatalf("%d questions at once", len(asked))
	}
	started := 0
	for len(asked) > 0 {
		for _, destination := range asked {
			f.answer(destination, Site{Name: "all", Workers: 1000}, stamp(f.now))
			started += len(f.step())
			for w := range f.busy {
				f.sites["all"].window.good(1000)
				started += len(f.finish(f.busy[w], time.Time{}))
			}
		}
		asked = f.questions()
	}
	for len(f.busy) > 0 {
		for w := range f.busy {
			started += len(f.finish(f.busy[w], time.Time{}))
		}
	}
	if started != 4*maxAsking || len(f.unknown) != 0 {
		t.Errorf("%d of %d jobs started, %d destinations unknown", started, 4*maxAsking, len(f.unknown))
	}
}

func TestReadyKeepsTheRate(t *testing.T) {
	f := newFloor(100, func(string) (Site, bool) { return Site{Name: "slow", Workers: 100, PerMinute: 60}, true })
	for i := range ID(1000) {
		f.add(dueJob(i, "slow.test", epoch))
	}
	started := 0
	for range 10 * 60 * 10 { // ten minutes in tenths of a second
		started += len(f.step())
		for w := range f.busy {
			f.sites["slow"].window.good(100)
			started += len(f.finish(f.busy[w], time.Time{}))
		}
		if started > 6 && time.Duration(started-7)*time.Second > f.now.Sub(epoch) {
			t.Fatalf("%d attempts after %v", started, f.now.Sub(epoch))
		}
		if d := f.sleep(f.now); d > time.Second {
			t.Fatalf("sleeps %v", d)
		}
		f.now = f.now.Add(100 * time.Millisecond)
	}
	if started < 600 || started > 610 {
		t.Errorf("%d attempts in ten minutes", started)
	}
}

func TestReadyRests(t *testing.T) {
	f := newFloor(10, each(10))
	for i := range ID(20) {
		f.add(dueJob(i, "a.test", epoch))
	}
	running := f.step()
	if len(running) != firstWindow {
		t.Fatalf("%d attempts at first", len(running))
	}
	s := f.sites["a.test"]
	pause := s.rest(f.now, Outcome{}, schedule)
	for _, job := range running {
		if more := f.finish(job, time.Time{}); len(more) != 0 {
			t.Errorf("started %v at rest", more)
		}
	}
	if d := f.sleep(f.now); d != pause || pause < firstRest {
		t.Errorf("sleeps %v, the pause is %v", d, pause)
	}
	f.now = f.now.Add(pause)
	trial := f.step()
	if len(trial) != 1 {
		t.Fatalf("%d trials", len(trial))
	}
	if again := s.rest(f.now, Outcome{}, schedule); again < 2*firstRest {
		t.Errorf("the second pause is %v", again)
	}
	f.finish(trial[0], time.Time{})

	f.take(news{retried: []DueJob{dueJob(100, "a.test", f.now)}})
	if jobs := f.step(); len(jobs) != 1 {
		t.Errorf("an operator's command started %v", jobs)
	}
	s.rest(f.now, Outcome{}, schedule)
	f.reconsider(stamp(f.now))
	f.stop()
	if s.jobs.len() != 0 || s.wake() > stamp(f.now) {
		t.Errorf("%d jobs are left with their old site, which rests: %v", s.jobs.len(), s.wake() > stamp(f.now))
	}
}

// A command ends the rest of a site, too, to which the way must be asked for first.
func TestReadyHurriesToUnknownSites(t *testing.T) {
	site := Site{Name: "mx.test", Workers: 10}
	for name, ask := range map[string]bool{"asked for": true, "known by the time": false} {
		known := true
		f := newFloor(10, func(string) (Site, bool) { return site, known })
		f.add(dueJob(1, "a.test", epoch))
		f.finish(f.step()[0], time.Time{})
		f.sites["mx.test"].rest(f.now, Outcome{}, schedule)

		known = false
		f.take(news{retried: []DueJob{dueJob(2, "a.test", f.now)}})
		known = !ask
		f.step()
		if ask {
			for _, destination := range f.questions() {
				f.answer(destination, site, stamp(f.now))
			}
			f.step()
		}
		if len(f.busy) != 1 || len(f.hurried) != 0 {
			t.Errorf("%s: %d attempts, %d destinations still to hurry to", name, len(f.busy), len(f.hurried))
		}
		f.stop()
	}
}

// Strangers that hold their workers leave room for sites that are known to work, and for a few strangers more.
func TestReadyLeavesRoomBesideStrangers(t *testing.T) {
	f := newFloor(200, each(20))
	id := ID(0)
	mail := func(site string, n int) {
		for range n {
			id++
			f.add(dueJob(id, site, epoch))
		}
	}
	for i := range 75 {
		mail(fmt.Sprintf("tarpit%d.test", i), 20)
	}
	if n := len(f.stepAmongStrangers()); n < 75 || n > 100 {
		t.Fatalf("%d workers for 75 strangers", n)
	}
	mail("good.test", 50)
	first := f.stepAmongStrangers()
	if len(first) == 0 || first[0].Destination != "good.test" {
		t.Fatalf("a new site beside 75 strangers: %v", first)
	}
	f.sites["good.test"].proven = true
	f.sites["good.test"].window.size = 20
	f.finish(first[0], time.Time{})
	f.stepAmongStrangers()
	busy := 0
	for _, job := range f.busy {
		if job.Destination == "good.test" {
			busy++
		}
	}
	if busy != 20 {
		t.Errorf("%d workers for a site that is proven", busy)
	}
	for i := range 100 {
		mail(fmt.Sprintf("late%d.test", i), 1)
	}
	f.stepAmongStrangers()
	if f.strange != 100 || f.parked.len() == 0 {
		t.Errorf("%d workers for strangers, %d wait", f.strange, f.parked.len())
	}
	left := 75*20 + 50 + 100 - 1
	for len(f.busy) > 0 {
		for _, job := range f.busy {
			f.finish(job, time.Time{})
			left--
			break
		}
		f.stepAmongStrangers()
	}
	if left != 0 || f.strange != 0 || f.parked.len() != 0 && f.turn.len() != 0 {
		t.Errorf("%d jobs were not tried; %d strange, %d parked", left, f.strange, f.parked.len())
	}
}
