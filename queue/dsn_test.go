package queue

import (
	"slices"
	"testing"
	"time"
)

func TestNotifyText(t *testing.T) {
	for in, want := range map[string]string{
		"NEVER": "NEVER", "never": "NEVER", "SUCCESS": "SUCCESS", "delay,failure,Success": "SUCCESS,FAILURE,DELAY",
		"FAILURE,FAILURE": "FAILURE",
	} {
		if n, ok := ParseNotify(in); !ok || n.String() != want {
			t.Errorf("ParseNotify(%q) = %v, %v; want %s", in, n, ok, want)
		}
	}
	for _, in := range []string{"", "NEVER,SUCCESS", "SUCCESS,", ",SUCCESS", "SUCCESS, DELAY", "ALWAYS"} {
		if n, ok := ParseNotify(in); ok {
			t.Errorf("ParseNotify(%q) = %v", in, n)
		}
	}
	if s := Notify(0).String(); s != "" {
		t.Errorf("the zero Notify is %q", s)
	}
	for n := range 256 {
		again, ok := ParseNotify(Notify(n).String())
		if n > 0 && Notify(n).Valid() != (ok && again == Notify(n)) {
			t.Errorf("Notify(%d): valid %v, comes back as %d, %v", n, Notify(n).Valid(), again, ok)
		}
	}
	for in, want := range map[string]Return{"FULL": ReturnFull, "hdrs": ReturnHeaders} {
		if r, ok := ParseReturn(in); !ok || r != want {
			t.Errorf("ParseReturn(%q) = %v, %v", in, r, ok)
		}
	}
	for _, in := range []string{"", "HDR", "FULL,HDRS"} {
		if r, ok := ParseReturn(in); ok {
			t.Errorf("ParseReturn(%q) = %v", in, r)
		}
	}
}

// Which notices an outcome makes, by what the sender asked for.
func TestApplyHonoursNotify(t *testing.T) {
	deliveredDSN := Outcome{Result: ResultDelivered, DSN: true}
	for _, tc := range []struct {
		name     string
		notify   Notify
		outcome  Outcome
		after    time.Duration
		sender   string
		notices  []NoticeKind
		unwanted int
	}{
		{"failed", 0, Outcome{Result: ResultFailed}, 0, "a@app.test", []NoticeKind{NoticeFailure}, 0},
		{"failed, wanted", NotifyFailure, Outcome{Result: ResultFailed}, 0, "a@app.test", []NoticeKind{NoticeFailure}, 0},
		{"failed, never", NotifyNever, Outcome{Result: ResultFailed}, 0, "a@app.test", nil, 1},
		{"failed, only success", NotifySuccess, Outcome{Result: ResultFailed}, 0, "a@app.test", nil, 1},
		{"failed, only delay", NotifyDelay, Outcome{Result: ResultFailed}, 0, "a@app.test", nil, 1},
		{"expired, never", NotifyNever, Outcome{}, schedule.Lifetime, "a@app.test", nil, 1},
		{"expired, wanted", NotifyFailure, Outcome{}, schedule.Lifetime, "a@app.test", []NoticeKind{NoticeFailure}, 0},
		{"delayed", 0, Outcome{}, schedule.DelayNotice, "a@app.test", []NoticeKind{NoticeDelay}, 0},
		{"delayed, wanted", NotifyDelay, Outcome{}, schedule.DelayNotice, "a@app.test", []NoticeKind{NoticeDelay}, 0},
		{"delayed, only failure", NotifyFailure, Outcome{}, schedule.DelayNotice, "a@app.test", nil, 0},
		{"delivered", 0, Outcome{Result: ResultDelivered}, 0, "a@app.test", nil, 0},
		{"delivered, never", NotifyNever, Outcome{Result: ResultDelivered}, 0, "a@app.test", nil, 0},
		{"delivered, wanted", NotifySuccess | NotifyFailure, Outcome{Result: ResultDelivered}, 0, "a@app.test",
			[]NoticeKind{NoticeRelayed}, 0},
		{"delivered, the next hop tells", NotifySuccess, deliveredDSN, 0, "a@app.test", nil, 0},
		{"null sender, delivered", NotifySuccess, Outcome{Result: ResultDelivered}, 0, "", nil, 0},
		{"null sender, failed", NotifyFailure, Outcome{Result: ResultFailed}, 0, "", nil, 0},
	} {
		job := jobFor(1, 1)
		job.Item.Sender, job.Item.Recipients[0].Notify = tc.sender, tc.notify
		tr := applied(job, []Outcome{tc.outcome}, epoch.Add(tc.after), schedule)
		var kinds []NoticeKind
		for _, n := range tr.Notices {
			kinds = append(kinds, n.Kind)
		}
		if !slices.Equal(kinds, tc.notices) || len(tr.Unwanted) != tc.unwanted {
			t.Errorf("%s: notices %v, unwanted %v", tc.name, kinds, tr.Unwanted)
		}
		if told := tr.Recipients[0].Recipient.DelayTold; told != slices.Contains(kinds, NoticeDelay) {
			t.Errorf("%s: delay told %v", tc.name, told)
		}
	}
}

// What one recipient asked for does not change what others hear.
func TestApplyNotifyEachRecipient(t *testing.T) {
	job := jobFor(4, 1)
	job.Item.Recipients[0].Notify = NotifyNever
	job.Item.Recipients[2].Notify = NotifySuccess
	failed, delivered := Outcome{Result: ResultFailed}, Outcome{Result: ResultDelivered}
	tr := applied(job, []Outcome{failed, failed, delivered, delivered}, epoch, schedule)
	if len(tr.Notices) != 2 || !slices.Equal(tr.Notices[0].Recipients, []int{1}) ||
		!slices.Equal(tr.Notices[1].Recipients, []int{2}) || !slices.Equal(tr.Unwanted, []int{0}) {
		t.Errorf("notices %+v, unwanted %v", tr.Notices, tr.Unwanted)
	}
}
