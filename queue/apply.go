package queue

import "time"

// NoticeKind says what a notice tells the sender.
type NoticeKind uint8

const (
	NoticeFailure NoticeKind = iota // given up
	NoticeDelay                     // not delivered yet, still trying
	NoticeRelayed                   // delivered to a host that sends no notice of success (RFC 3461, 5.2.2)
)

// Notice is one message that is due to the sender about some recipients, all of one job.
type Notice struct {
	Kind       NoticeKind
	Item       Item      // with the outcomes of this attempt
	Recipients []int     // indexes into Item.Recipients
	Expired    bool      // given up because the lifetime ended
	Until      time.Time // when the lifetime of the first of these recipients ends, or ended
}

// Transition is what an attempt changes: recipients of one job, and the notices that must be made durable with them.
type Transition struct {
	Recipients []RecipientUpdate
	Notices    []Notice
	Dropped    []int // failed recipients of a message with the null sender: nobody is told (RFC 5321 section 6.1)
	Unwanted   []int // failed recipients of whom the sender asked not to hear (RFC 3461, 4.1)
}

// Apply is the queue's state machine: what the attempt at job came to at time now (one outcome for each of job.Recipients) gives
// the next state and the notices. It is a pure function.
//
// A recipient is given up when an outcome says so, or when an attempt at or behind the end of the lifetime was deferred.
// The last attempt is scheduled for exactly that end, so no message ends without a fresh attempt, however long the relay
// was down.
func Apply(job Job, report Report, now time.Time, s Schedule) Transition {
	item := job.Item.Clone()
	evidence := job.evidence(report.Evidence)
	pause := s.Pause(JobKey{item.ID, job.Destination()}, job.Attempt)
	var next time.Time
	var t Transition
	var failed, expired, delayed, relayed, queued []int
	for i, index := range job.Recipients {
		r := &item.Recipients[index]
		r.attempted(report.Outcomes[i], evidence)
		switch {
		case r.Last.Result == ResultDelivered:
			r.State = Delivered
			if !r.Last.DSN && r.Notify.wants(NotifySuccess) {
				relayed = append(relayed, index)
			}
		case r.Last.Result == ResultFailed:
			r.State = Failed
			failed = append(failed, index)
		case !now.Before(s.end(&item, r.Last.Cause)):
			r.State = Failed
			expired = append(expired, index)
		default:
			r.State = Queued
			queued = append(queued, index)
			if s.tellsDelay(&item, r, now) {
				r.DelayTold = true
				delayed = append(delayed, index)
			}
			if at := s.next(&item, r, now, pause); next.IsZero() || at.Before(next) {
				next = at
			}
		}
	}
	for _, index := range queued { // together, or each would soon have attempts of its own
		item.Recipients[index].NextAttempt = next
	}
	for _, index := range job.Recipients {
		t.Recipients = append(t.Recipients, RecipientUpdate{index, item.Recipients[index]})
	}
	if item.Sender == "" {
		t.Dropped = append(failed, expired...)
		return t
	}
	t.notice(s, Notice{Kind: NoticeFailure, Item: item, Recipients: t.wanted(item, failed)})
	t.notice(s, Notice{Kind: NoticeFailure, Item: item, Recipients: t.wanted(item, expired), Expired: true})
	t.notice(s, Notice{Kind: NoticeDelay, Item: item, Recipients: delayed})
	t.notice(s, Notice{Kind: NoticeRelayed, Item: item, Recipients: relayed})
	return t
}

// attempted takes down what an attempt came to.
func (r *Recipient) attempted(o Outcome, evidence []Evidence) {
	r.Attempts++
	r.Last = o
	r.TLSFailed = r.TLSFailed || o.TLS.Broken
	if evidence != nil {
		r.Evidence = evidence
	}
}

// wanted gives those of the failed recipients of whose failure the sender wants to hear, and notes the others.
func (t *Transition) wanted(item Item, failed []int) []int {
	var told []int
	for _, index := range failed {
		if item.Recipients[index].Notify.wants(NotifyFailure) {
			told = append(told, index)
		} else {
			t.Unwanted = append(t.Unwanted, index)
		}
	}
	return told
}

// applyInterrupted is Apply for an attempt that the relay cut short because it stops: what was decided counts, the rest is as
// if it had not been tried. Only that TLS was broken is not forgotten, lest the next attempt goes in clear text.
func applyInterrupted(job Job, report Report, now time.Time, s Schedule) Transition {
	decided := job
	decided.Recipients = nil
	var kept []Outcome
	var broken []RecipientUpdate
	for i, o := range report.Outcomes {
		index := job.Recipients[i]
		if o.Result != ResultDeferred {
			decided.Recipients, kept = append(decided.Recipients, index), append(kept, o)
		} else if r := job.Item.Recipients[index]; o.TLS.Broken && !r.TLSFailed {
			r.TLSFailed = true
			broken = append(broken, RecipientUpdate{index, r})
		}
	}
	var t Transition
	if len(kept) > 0 {
		t = Apply(decided, Report{Outcomes: kept, Evidence: report.Evidence}, now, s)
	}
	t.Recipients = append(t.Recipients, broken...)
	return t
}

func (t *Transition) notice(s Schedule, n Notice) {
	if len(n.Recipients) == 0 {
		return
	}
	n.Until = n.Item.Expires
	for _, index := range n.Recipients {
		if end := s.end(&n.Item, n.Item.Recipients[index].Last.Cause); end.Before(n.Until) {
			n.Until = end
		}
	}
	t.Notices = append(t.Notices, n)
}
