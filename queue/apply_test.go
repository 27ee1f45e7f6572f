package queue

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	epoch    = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	schedule = Schedule{
		Retry:       []time.Duration{5 * time.Minute, 10 * time.Minute, time.Hour, 4 * time.Hour},
		Lifetime:    72 * time.Hour,
		DelayNotice: 4 * time.Hour,
	}
)

// jobFor makes a job of n recipients at dest.test, before the given attempt.
func jobFor(n, attempt int) Job {
	job := Job{Item: Item{ID: 7, Sender: "a@app.test", Arrived: epoch, Expires: epoch.Add(schedule.Lifetime)}, Attempt: attempt}
	for i := range n {
		job.Item.Recipients = append(job.Item.Recipients, Recipient{
			Address: string(rune('a'+i)) + "@dest.test", Destination: "dest.test", Attempts: attempt - 1, NextAttempt: epoch,
		})
		job.Recipients = append(job.Recipients, i)
	}
	return job
}

// applied is Apply of an attempt that saw no evidence.
func applied(job Job, outcomes []Outcome, now time.Time, s Schedule) Transition {
	return Apply(job, Report{Outcomes: outcomes}, now, s)
}

func TestApplyEachResult(t *testing.T) {
	job := jobFor(3, 1)
	tr := applied(job, []Outcome{
		{Result: ResultDelivered},
		{Result: ResultDeferred, Cause: "dns-trouble"},
		{Result: ResultFailed, Cause: "remote-permanent"},
	}, epoch.Add(time.Second), schedule)

	var states []State
	for _, u := range tr.Recipients {
		states = append(states, u.Recipient.State)
		if u.Recipient.Attempts != 1 {
			t.Errorf("recipient %d: %d attempts", u.Index, u.Recipient.Attempts)
		}
	}
	if want := []State{Delivered, Queued, Failed}; !slices.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
	if next := tr.Recipients[1].Recipient.NextAttempt; next.Before(epoch.Add(4*time.Minute)) || next.After(epoch.Add(6*time.Minute)) {
		t.Errorf("next attempt at %v", next)
	}
	if len(tr.Notices) != 1 || tr.Notices[0].Kind != NoticeFailure || tr.Notices[0].Expired || !slices.Equal(tr.Notices[0].Recipients, []int{2}) {
		t.Errorf("notices %+v", tr.Notices)
	}
	if job.Item.Recipients[0].State != Queued {
		t.Error("Apply changed its argument")
	}
}

func TestApplyEndOfLifetime(t *testing.T) {
	deferred := []Outcome{{Result: ResultDeferred, Cause: "tls-version", Status: "4.7.5"}}
	expires := epoch.Add(schedule.Lifetime)

	t.Run("the last attempt is due exactly at the end", func(t *testing.T) {
		tr := applied(jobFor(1, 20), deferred, expires.Add(-time.Hour), schedule)
		if next := tr.Recipients[0].Recipient.NextAttempt; !next.Equal(expires) {
			t.Errorf("next attempt at %v, want %v", next, expires)
		}
	})
	t.Run("no attempt shortly before the last one", func(t *testing.T) {
		tr := applied(jobFor(1, 20), deferred, expires.Add(-5*time.Hour), schedule) // the pause is about four hours
		if next := tr.Recipients[0].Recipient.NextAttempt; !next.Equal(expires) {
			t.Errorf("next attempt at %v, want %v", next, expires)
		}
	})
	t.Run("deferred at the end is given up", func(t *testing.T) {
		tr := applied(jobFor(1, 21), deferred, expires, schedule)
		if r := tr.Recipients[0].Recipient; r.State != Failed || r.Last.Status != "4.7.5" {
			t.Errorf("recipient %+v", r)
		}
		if len(tr.Notices) != 1 || !tr.Notices[0].Expired || tr.Notices[0].Kind != NoticeFailure {
			t.Errorf("notices %+v", tr.Notices)
		}
	})
	t.Run("after downtime a delivery still counts", func(t *testing.T) {
		tr := applied(jobFor(1, 3), []Outcome{{Result: ResultDelivered}}, expires.Add(240*time.Hour), schedule)
		if tr.Recipients[0].Recipient.State != Delivered || len(tr.Notices) != 0 {
			t.Errorf("transition %+v", tr)
		}
	})
}

func TestApplyDelayNoticeOnce(t *testing.T) {
	deferred := []Outcome{{Result: ResultDeferred}}
	job := jobFor(1, 4)
	if tr := applied(job, deferred, epoch.Add(schedule.DelayNotice-time.Second), schedule); len(tr.Notices) != 0 {
		t.Errorf("too early: %+v", tr.Notices)
	}
	tr := applied(job, deferred, epoch.Add(schedule.DelayNotice), schedule)
	if len(tr.Notices) != 1 || tr.Notices[0].Kind != NoticeDelay {
		t.Fatalf("notices %+v", tr.Notices)
	}
	job.Item.Recipients[0] = tr.Recipients[0].Recipient
	if tr := applied(job, deferred, epoch.Add(2*schedule.DelayNotice), schedule); len(tr.Notices) != 0 {
		t.Errorf("told twice: %+v", tr.Notices)
	}
	off := schedule
	off.DelayNotice = 0
	if tr := applied(jobFor(1, 4), deferred, epoch.Add(48*time.Hour), off); len(tr.Notices) != 0 {
		t.Errorf("told although off: %+v", tr.Notices)
	}
}

func TestApplyNullSender(t *testing.T) {
	job := jobFor(2, 1)
	job.Item.Sender = ""
	tr := applied(job, []Outcome{{Result: ResultFailed}, {Result: ResultDeferred}}, epoch.Add(schedule.Lifetime), schedule)
	if len(tr.Notices) != 0 || !slices.Equal(tr.Dropped, []int{0, 1}) {
		t.Errorf("notices %+v, dropped %v", tr.Notices, tr.Dropped)
	}
}

func TestApplyRemembersBrokenTLS(t *testing.T) {
	job := jobFor(1, 1)
	tr := applied(job, []Outcome{{TLS: TLSFacts{Broken: true}}}, epoch, schedule)
	job.Item.Recipients[0] = tr.Recipients[0].Recipient
	tr = applied(job, []Outcome{{Cause: "connection-timeout"}}, epoch, schedule)
	if !tr.Recipients[0].Recipient.TLSFailed {
		t.Error("broken TLS was forgotten")
	}
}

func TestPause(t *testing.T) {
	for attempt, base := range map[int]time.Duration{1: 5 * time.Minute, 2: 10 * time.Minute, 4: 4 * time.Hour, 99: 4 * time.Hour} {
		seen := map[time.Duration]bool{}
		for id := range ID(200) {
			p := schedule.Pause(JobKey{id, "dest.test"}, attempt)
			if p < base*9/10 || p > base*11/10 {
				t.Fatalf("attempt %d: pause %v is more than a tenth off %v", attempt, p, base)
			}
			seen[p] = true
		}
		if len(seen) < 100 {
			t.Errorf("attempt %d: %d different pauses for 200 jobs", attempt, len(seen))
		}
	}
}

// The pauses of queued mail must not change with a version of this program: they are FNV-1a of destination, attempt and ID.
func TestPauseIsFNV(t *testing.T) {
	for _, tt := range []struct {
		job     JobKey
		attempt int
	}{{JobKey{7, "dest.test"}, 3}, {JobKey{1<<63 + 12345, strings.Repeat("long.", 50) + "test"}, 300}, {JobKey{1, ""}, 1}} {
		h := fnv.New64a()
		io.WriteString(h, tt.job.Destination)
		h.Write([]byte{byte(tt.attempt), byte(tt.attempt >> 8)})
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(tt.job.ID)))
		base := schedule.Retry[min(tt.attempt, len(schedule.Retry))-1]
		want := base - base/10 + time.Duration(h.Sum64()%uint64(base/5))
		if got := schedule.Pause(tt.job, tt.attempt); got != want {
			t.Errorf("%v, attempt %d: %v, want %v", tt.job, tt.attempt, got, want)
		}
		if n := testing.AllocsPerRun(100, func() { schedule.Pause(tt.job, tt.attempt) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func TestItemJobs(t *testing.T) {
	item := Item{ID: 7}
	for _, r := range []struct {
		destination string
		state       State
		due         time.Duration
	}{
		{"b.test", Queued, 3}, {"a.test", Active, 2}, {"b.test", Queued, 1}, {"b.test", Delivered, 0}, {"c.test", Failed, 0}, {"a.test", Active, 5},
	} {
		due := epoch.Add(r.due)
		item.Recipients = append(item.Recipients, Recipient{Destination: r.destination, State: r.state, NextAttempt: due})
	}
	want := []DueJob{dueJob(7, "b.test", epoch.Add(1)), dueJob(7, "a.test", epoch.Add(2))}
	if got := item.Jobs(); !slices.Equal(got, want) {
		t.Errorf("jobs %v, want %v", got, want)
	}
}

func TestID(t *testing.T) {
	var source IDSource
	var last ID
	now := epoch
	for i := range 10_000 {
		if i == 5_000 {
			now = now.Add(-time.Hour) // the clock steps back
		}
		id := source.Next(now)
		if id <= last || id.String() <= last.String() && last != 0 {
			t.Fatalf("%v after %v", id, last)
		}
		back, err := ParseID(id.String())
		if err != nil || back != id {
			t.Fatalf("%v parsed to %v, %v", id, back, err)
		}
		last = id
	}
	for _, bad := range []string{"", "0", "0000000000000", "0e9xq2v7c4k1", "0e9xq2v7c4k1u", "0e9xq2v7c4k1gg"} {
		if id, err := ParseID(bad); err == nil {
			t.Errorf("%q parsed to %v", bad, id)
		}
	}
}

func TestApplyInterrupted(t *testing.T) {
	job := jobFor(3, 2)
	tr := applyInterrupted(job, Report{Outcomes: []Outcome{
		{Result: ResultDelivered},
		{Result: ResultDeferred, TLS: TLSFacts{Broken: true}},
		{Result: ResultDeferred},
	}}, epoch, schedule)
	if len(tr.Recipients) != 2 || tr.Recipients[0].Recipient.State != Delivered {
		t.Fatalf("transition %+v", tr)
	}
	if u := tr.Recipients[1]; u.Index != 1 || !u.Recipient.TLSFailed || u.Recipient.Attempts != 1 || !u.Recipient.NextAttempt.Equal(epoch) {
		t.Errorf("the recipient with broken TLS became %+v", u)
	}
	if tr := applyInterrupted(jobFor(1, 1), Report{Outcomes: []Outcome{{}}}, epoch, schedule); len(tr.Recipients) != 0 {
		t.Errorf("an undecided attempt changed %+v", tr.Recipients)
	}
}
