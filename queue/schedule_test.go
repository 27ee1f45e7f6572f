package queue

import (
	"testing"
	"time"
)

// early is the schedule with early words.
func early() Schedule {
	s := schedule
	s.DelayNoticeProven = 15 * time.Minute
	return s
}

var proven = Outcome{Cause: "tls-version", TLS: TLSFacts{Broken: true, Proven: true}}

func TestEarlyWord(t *testing.T) {
	off := early()
	off.DelayNotice = 0
	for _, tc := range []struct {
		name    string
		s       Schedule
		outcome Outcome
		attempt int
		age     time.Duration
		change  func(*Item)
		told    bool
	}{
		{"proven", early(), proven, 2, 15 * time.Minute, nil, true},
		{"at the first attempt", early(), proven, 1, 15 * time.Minute, nil, false},
		{"too early", early(), proven, 2, 15*time.Minute - 1, nil, false},
		{"not proven", early(), Outcome{Cause: "tls-handshake"}, 2, time.Hour, nil, false},
		{"not wanted", schedule, proven, 2, time.Hour, nil, false},
		{"no delay notices at all", off, proven, 2, time.Hour, nil, false},
		{"told", early(), proven, 2, time.Hour, func(it *Item) { it.Recipients[0].DelayTold = true }, false},
		{"NOTIFY=FAILURE", early(), proven, 2, time.Hour, func(it *Item) { it.Recipients[0].Notify = NotifyFailure }, false},
		{"null sender", early(), proven, 2, time.Hour, func(it *Item) { it.Sender = "" }, false},
	} {
		job := jobFor(1, tc.attempt)
		if tc.change != nil {
			tc.change(&job.Item)
		}
		tr := applied(job, []Outcome{tc.outcome}, epoch.Add(tc.age), tc.s)
		if told := len(tr.Notices) == 1 && tr.Notices[0].Kind == NoticeDelay; told != tc.told || len(tr.Notices) > 1 {
			t.Errorf("%s: notices %+v", tc.name, tr.Notices)
		}
	}
}

// The attempt after which the sender is told is made when that is due, and costs others of the job no attempt of their own.
func TestEarlyWordIsPunctual(t *testing.T) {
	job := jobFor(2, 2)
	job.Item.Recipients[1].Notify = NotifyNever
	at := epoch.Add(6 * time.Minute) // the pause is about ten minutes
	tr := applied(job, []Outcome{proven, proven}, at, early())
	for _, u := range tr.Recipients {
		if got := u.Recipient.NextAttempt.Sub(epoch); got != 15*time.Minute {
			t.Errorf("recipient %d: next attempt after %v", u.Index, got)
		}
	}
	tr = applied(job, []Outcome{{Cause: "tls-handshake"}, {}}, at, early())
	if got := tr.Recipients[0].Recipient.NextAttempt; !got.Equal(at.Add(schedule.Pause(JobKey{7, "dest.test"}, 2))) {
		t.Errorf("without a proof, too: %v", got)
	}
	soon := jobFor(1, 1) // the next attempt comes before
	tr = applied(soon, []Outcome{proven}, epoch, early())
	if got := tr.Recipients[0].Recipient.NextAttempt.Sub(epoch); got > 6*time.Minute {
		t.Errorf("put off to %v", got)
	}
	soon.Item.Recipients[0].DelayTold = true
	tr = applied(soon, []Outcome{proven}, epoch.Add(12*time.Minute), early())
	if got := tr.Recipients[0].Recipient.NextAttempt.Sub(epoch); got == 15*time.Minute {
		t.Error("one more attempt for nothing")
	}
}

func TestLifetimeByCause(t *testing.T) {
	s := schedule
	s.LifetimeByCause = map[string]time.Duration{"tls-version": time.Hour, "dns-trouble": 1000 * time.Hour}
	version, dns := Outcome{Cause: "tls-version"}, Outcome{Cause: "dns-trouble"}

	tr := applied(jobFor(1, 3), []Outcome{version}, epoch.Add(20*time.Minute), s)
	if got := tr.Recipients[0].Recipient.NextAttempt.Sub(epoch); got != time.Hour {
		t.Errorf("the last attempt is after %v", got)
	}
	tr = applied(jobFor(2, 4), []Outcome{version, dns}, epoch.Add(time.Hour), s)
	if tr.Recipients[0].Recipient.State != Failed || tr.Recipients[1].Recipient.State != Queued {
		t.Errorf("after an hour: %+v", tr.Recipients)
	}
	if len(tr.Notices) != 1 || !tr.Notices[0].Expired || !tr.Notices[0].Until.Equal(epoch.Add(time.Hour)) {
		t.Errorf("notices %+v", tr.Notices)
	}
	tr = applied(jobFor(1, 4), []Outcome{dns}, epoch.Add(schedule.Lifetime), s)
	if tr.Recipients[0].Recipient.State != Failed || !tr.Notices[0].Until.Equal(epoch.Add(schedule.Lifetime)) {
		t.Error("a longer lifetime than that of all mail")
	}
	item := jobFor(2, 1).Item
	item.Recipients[0].Last, item.Recipients[1].Last = dns, version
	if ends := s.Ends(&item); !ends.Equal(epoch.Add(time.Hour)) {
		t.Errorf("ends %v", ends)
	}
	item.Recipients[1].State = Delivered
	if ends := s.Ends(&item); !ends.Equal(item.Expires) {
		t.Errorf("ends %v when nobody waits who would be given up sooner", ends)
	}
	tr = applied(jobFor(1, 2), []Outcome{version}, epoch.Add(59*time.Minute), s)
	if got := tr.Recipients[0].Recipient.NextAttempt.Sub(epoch); got != time.Hour {
		t.Errorf("the last attempt is after %v", got)
	}
}
