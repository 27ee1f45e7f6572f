package queue

import (
	"fmt"
	"testing"
	"time"
)

// own makes each destination a site.
func own(destination string) string { return destination }

func dueJob(id ID, destination string, due time.Time) DueJob {
	return DueJob{JobKey{id, destination}, due}
}

func TestReadyServesDestinationsInTurn(t *testing.T) {
	r := newReady(6, 2, own)
	for i := range ID(100) {
		r.add(dueJob(i, "big.test", epoch))
	}
	for i := range ID(3) {
		r.add(dueJob(1000+i, fmt.Sprintf("small%d.test", i), epoch))
	}
	count := map[string]int{}
	for _, job := range r.start(epoch) {
		count[job.Destination]++
	}
	if count["big.test"] != 2 || count["small0.test"] != 1 || count["small1.test"] != 1 || count["small2.test"] != 1 {
		t.Errorf("started %v", count)
	}
	if more := r.start(epoch); len(more) != 0 {
		t.Errorf("started %v above the limit of the destination", more)
	}
	r.end(finished{job: JobKey{0, "big.test"}, site: "big.test"})
	if more := r.start(epoch); len(more) != 1 || more[0].Destination != "big.test" {
		t.Errorf("after an end started %v", more)
	}
}

func TestReadyLimitsAll(t *testing.T) {
	r := newReady(3, 2, own)
	for i := range ID(10) {
		r.add(dueJob(i, fmt.Sprintf("d%d.test", i), epoch))
	}
	if jobs := r.start(epoch); len(jobs) != 3 || r.active != 3 {
		t.Errorf("started %v", jobs)
	}
}

func TestReadyWaitsForTheTime(t *testing.T) {
	r := newReady(10, 10, own)
	r.add(dueJob(2, "b.test", epoch.Add(time.Hour)), dueJob(1, "a.test", epoch.Add(time.Minute)))
	if jobs := r.start(epoch); len(jobs) != 0 {
		t.Fatalf("started %v too early", jobs)
	}
	if d := r.sleep(epoch); d != time.Minute {
		t.Errorf("sleeps %v", d)
	}
	if jobs := r.start(epoch.Add(time.Minute)); len(jobs) != 1 || jobs[0].ID != 1 {
		t.Errorf("started %v", jobs)
	}
	r.bound(epoch.Add(2 * time.Minute))
	r.clamp()
	if jobs := r.start(epoch.Add(2 * time.Minute)); len(jobs) != 1 || jobs[0].ID != 2 {
		t.Errorf("started %v after the clock was put right", jobs)
	}
}

func TestReadyForgetsIdleDestinations(t *testing.T) {
	r := newReady(10, 10, own)
	for i := range ID(50) {
		r.add(dueJob(i, fmt.Sprintf("d%d.test", i), epoch))
	}
	workOff(r, epoch)
	if len(r.sites) != 0 || r.turn.len() != 0 {
		t.Errorf("%d sites, %d turns left", len(r.sites), r.turn.len())
	}
}

// workOff starts and ends jobs until none is due, and counts the attempts.
func workOff(r *ready, now time.Time) (n int) {
	for r.sleep(now) == 0 || r.turn.len() > 0 {
		for _, job := range r.start(now) {
			r.end(finished{job: job.JobKey, site: job.site})
			n++
		}
	}
	return n
}

func TestReadyMergesEqualHints(t *testing.T) {
	r := newReady(10, 10, own)
	for range 3 {
		r.add(dueJob(1, "a.test", epoch), dueJob(2, "a.test", epoch), dueJob(1, "b.test", epoch))
	}
	if n := workOff(r, epoch); n != 3 {
		t.Errorf("%d attempts for 3 jobs", n)
	}
}

// An operator who has the same jobs tried again and again must not fill the memory with hints for later.
func TestReadySweepsSpareHints(t *testing.T) {
	const jobs, rounds = 2000, 50
	r := newReady(10, 10, own)
	now := epoch
	for i := range ID(jobs) {
		r.add(dueJob(i, "a.test", now.Add(4*time.Hour)))
	}
	most := 0
	for round := range rounds {
		now = now.Add(time.Minute)
		for i := range ID(jobs) {
			r.take(news{[]DueJob{dueJob(i, "a.test", now)}, 1})
		}
		for started := r.start(now); len(started) > 0; started = r.start(now) {
			for _, job := range started { // deferred again
				r.end(finished{job: job.JobKey, site: job.site, next: now.Add(4*time.Hour + time.Duration(round)*time.Second)})
			}
		}
		most = max(most, len(r.waiting))
	}
	if most > 3*jobs+2*minSpare {
		t.Errorf("up to %d hints for %d jobs", most, jobs)
	}
	seen := map[ID]bool{}
	for _, h := range r.waiting {
		seen[h.id] = true
	}
	if len(seen) != jobs {
		t.Errorf("hints for %d of %d jobs are left", len(seen), jobs)
	}
}

func TestReadyBoundsWrongTimes(t *testing.T) {
	r := newReady(10, 10, own)
	r.bound(epoch.Add(8 * time.Hour))
	r.add(dueJob(1, "a.test", epoch.AddDate(1, 0, 0)))
	if d := r.sleep(epoch); d != 8*time.Hour {
		t.Errorf("sleeps %v", d)
	}
}

// After downtime all jobs are due: the first must not wait until all are looked at, and none may be left.
func TestReadyTakesManyInSteps(t *testing.T) {
	const jobs = 2*maxDue + 10
	r := newReady(1, 1, own)
	for i := range ID(jobs) {
		r.add(dueJob(i, "a.test", epoch))
	}
	first := r.start(epoch)
	if len(first) != 1 || len(r.waiting) != jobs-maxDue {
		t.Errorf("%d jobs started with %d still to look at", len(first), len(r.waiting))
	}
	r.end(finished{job: first[0].JobKey, site: first[0].site})
	if n := workOff(r, epoch); n != jobs-1 {
		t.Errorf("%d of %d jobs were tried", n, jobs-1)
	}
}

func TestReadyGivesMemoryBack(t *testing.T) {
	const jobs = 50_000
	r := newReady(1, 1, own)
	for i := range ID(jobs) {
		r.add(dueJob(i, "a.test", epoch))
	}
	for len(r.waiting) > 0 {
		for _, job := range r.start(epoch) {
			r.end(finished{job: job.JobKey, site: job.site})
		}
	}
	s := r.sites["a.test"]
	if room := cap(r.waiting); room > 4*waitingSpare {
		t.Errorf("the empty heap has room for %d", room)
	}
	for left := s.jobs.len(); left > 0; left = s.jobs.len() {
		if room := cap(s.jobs.items); room > 4*(left+fifoSpare) {
			t.Fatalf("%d jobs are left in room for %d", left, room)
		}
		for _, job := range r.start(epoch) {
			r.end(finished{job: job.JobKey, site: job.site})
		}
	}
}

func TestReadySharesALimitBySite(t *testing.T) {
	r := newReady(10, 1, func(string) string { return "smarthost" })
	r.add(dueJob(1, "a.test", epoch), dueJob(2, "b.test", epoch))
	jobs := r.start(epoch)
	if len(jobs) != 1 {
		t.Fatalf("started %v", jobs)
	}
	r.siteOf = own // a reload must not confuse the count
	r.end(finished{job: jobs[0].JobKey, site: jobs[0].site})
	if jobs := r.start(epoch); len(jobs) != 1 || jobs[0].ID != 2 {
		t.Errorf("started %v", jobs)
	}
}
