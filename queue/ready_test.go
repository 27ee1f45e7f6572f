package queue

import (
	"fmt"
	"testing"
	"time"
)

// own makes each destination a site.
func own(destination string) string { return destination }

func TestReadyServesDestinationsInTurn(t *testing.T) {
	r := newReady(6, 2, own)
	for i := range ID(100) {
		r.add(hint{JobKey{i, "big.test"}, epoch})
	}
	for i := range ID(3) {
		r.add(hint{JobKey{1000 + i, fmt.Sprintf("small%d.test", i)}, epoch})
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
		r.add(hint{JobKey{i, fmt.Sprintf("d%d.test", i)}, epoch})
	}
	if jobs := r.start(epoch); len(jobs) != 3 || r.active != 3 {
		t.Errorf("started %v", jobs)
	}
}

func TestReadyWaitsForTheTime(t *testing.T) {
	r := newReady(10, 10, own)
	r.add(hint{JobKey{2, "b.test"}, epoch.Add(time.Hour)}, hint{JobKey{1, "a.test"}, epoch.Add(time.Minute)})
	if jobs := r.start(epoch); len(jobs) != 0 {
		t.Fatalf("started %v too early", jobs)
	}
	if d := r.sleep(epoch); d != time.Minute {
		t.Errorf("sleeps %v", d)
	}
	if jobs := r.start(epoch.Add(time.Minute)); len(jobs) != 1 || jobs[0].ID != 1 {
		t.Errorf("started %v", jobs)
	}
	r.clamp(epoch.Add(2 * time.Minute))
	if jobs := r.start(epoch.Add(2 * time.Minute)); len(jobs) != 1 || jobs[0].ID != 2 {
		t.Errorf("started %v after the clock was put right", jobs)
	}
}

func TestReadyForgetsIdleDestinations(t *testing.T) {
	r := newReady(10, 10, own)
	for i := range ID(50) {
		r.add(hint{JobKey{i, fmt.Sprintf("d%d.test", i)}, epoch})
	}
	for jobs := r.start(epoch); len(jobs) > 0; jobs = r.start(epoch) {
		for _, job := range jobs {
			r.end(finished{job: job.JobKey, site: job.site})
		}
	}
	if len(r.sites) != 0 || len(r.turn) != 0 || len(r.due) != 0 {
		t.Errorf("%d sites, %d turns, %d times left", len(r.sites), len(r.turn), len(r.due))
	}
}

func TestReadyKeepsTheEarliestHint(t *testing.T) {
	r := newReady(10, 10, own)
	job := JobKey{1, "a.test"}
	for i := range 300 {
		r.add(hint{job, epoch.Add(time.Hour)}, hint{job, epoch.Add(time.Duration(300-i) * time.Second)})
	}
	if jobs := r.start(epoch.Add(time.Second)); len(jobs) != 1 {
		t.Errorf("started %v", jobs)
	}
	if jobs := r.start(epoch.Add(2 * time.Hour)); len(jobs) != 0 {
		t.Errorf("outdated hints started %v", jobs)
	}
	if len(r.waiting) != 0 || len(r.due) != 0 {
		t.Errorf("%d hints, %d times left", len(r.waiting), len(r.due))
	}
}

func TestReadySharesALimitBySite(t *testing.T) {
	r := newReady(10, 1, func(string) string { return "smarthost" })
	r.add(hint{JobKey{1, "a.test"}, epoch}, hint{JobKey{2, "b.test"}, epoch})
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
