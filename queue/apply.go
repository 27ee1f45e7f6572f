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
	Item       Item  // with the outcomes of this attempt
	Recipients []int // indexes into Item.Recipients
	Expired    bool  // given up because the lifetime ended
}

// Transition is what an attempt changes: recipients of one job, and the notices that must be made durable with them.
type Transition struct {
	Recipients []RecipientUpdate
	Notices    []Notice
	Dropped    []int // failed recipients of a message with the null sender: nobody is told (RFC 5321 section 6.1)
	Unwanted   []int // failed recipients of whom the sender asked not to hear (RFC 3461, 4.1)
}

// Apply is the queue's state machine: the outcomes of job (one for each of job.Recipients) at time now give the next state
// and the notices. It is a pure function.
//
// A recipient is given up when an outcome says so, or when an attempt at or behind the end of the lifetime was deferred.
// The last attempt is scheduled for exactly that end, so no message ends without a fresh attempt, however long the relay
// was down.
func Apply(job Job, outcomes []Outcome, now time.Time, s Schedule) Transition {
	item := job.Item.Clone()
	var t Transition
	var failed, expired, delayed, relayed []int
	next := nextAttempt(now, item.Expires, s.Pause(JobKey{item.ID, job.Destination()}, job.Attempt))
	for i, index := range job.Recipients {
		r := &item.Recipients[index]
		o := outcomes[i]
		r.Attempts++
		r.Last = o
		r.TLSFailed = r.TLSFailed || o.TLS.Broken
		switch {
		case o.Result == ResultDelivered:
			r.State = Delivered
			if !o.DSN && r.Notify.wants(NotifySuccess) {
				relayed = append(relayed, index)
			}
		case o.Result == ResultFailed:
			r.State = Failed
			failed = append(failed, index)
		case !now.Before(item.Expires):
			r.State = Failed
			expired = append(expired, index)
		default:
			r.State, r.NextAttempt = Queued, next
			if !r.DelayTold && r.Notify.wants(NotifyDelay) && s.DelayNotice > 0 && now.Sub(item.Arrived) >= s.DelayNotice {
				r.DelayTold = true
				delayed = append(delayed, index)
			}
		}
		t.Recipients = append(t.Recipients, RecipientUpdate{index, *r})
	}
	if item.Sender == "" {
		t.Dropped = append(failed, expired...)
		return t
	}
	t.notice(Notice{Kind: NoticeFailure, Item: item, Recipients: t.wanted(item, failed)})
	t.notice(Notice{Kind: NoticeFailure, Item: item, Recipients: t.wanted(item, expired), Expired: true})
	t.notice(Notice{Kind: NoticeDelay, Item: item, Recipients: delayed})
	t.notice(Notice{Kind: NoticeRelayed, Item: item, Recipients: relayed})
	return t
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
func applyInterrupted(job Job, outcomes []Outcome, now time.Time, s Schedule) Transition {
	decided := job
	decided.Recipients = nil
	var kept []Outcome
	var broken []RecipientUpdate
	for i, o := range outcomes {
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
		t = Apply(decided, kept, now, s)
	}
	t.Recipients = append(t.Recipients, broken...)
	return t
}

// nextAttempt is a pause from now, or the end of the lifetime if that would be the attempt after it and comes soon.
func nextAttempt(now, expires time.Time, pause time.Duration) time.Time {
	next := now.Add(pause)
	if now.Before(expires) && next.Add(pause/2).After(expires) {
		return expires
	}
	return next
}

func (t *Transition) notice(n Notice) {
	if len(n.Recipients) > 0 {
		t.Notices = append(t.Notices, n)
	}
}
