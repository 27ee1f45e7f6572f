package queue

import (
	"context"
	"log/slog"
	"time"
)

// logOutcomes writes one line an attempt and recipient, with what is to be said in addition, and has it counted. Scripts read
// these lines: keys stay as they are.
func (s *Scheduler) logOutcomes(job Job, t Transition, now time.Time, more ...any) {
	for i := range t.Recipients {
		u := &t.Recipients[i]
		r, o := &u.Recipient, &u.Recipient.Last
		if r.Attempts == job.Item.Recipients[u.Index].Attempts {
			continue // it was not tried to the end
		}
		result := o.Result
		if r.State == Failed {
			result = ResultFailed // the lifetime ended
		}
		delay := now.Sub(job.Item.Arrived)
		s.opts.Tally.Result(result, o, delay)
		level := slog.LevelInfo
		if result != ResultDelivered {
			level = slog.LevelWarn
		}
		line := []any{
			"id", job.Item.ID, "sender", job.Item.Sender, "recipient", r.Address,
			"host", Printable(o.Host), "address", o.Remote, "result", result.String(),
			"cause", o.Cause, "status", o.Status, "reply", Printable(o.Reply),
			"tls_version", o.TLS.Version, "tls_cipher", o.TLS.Cipher, "tls_group", o.TLS.Group,
			"attempt", r.Attempts, "delay_ms", delay.Milliseconds(),
		}
		if o.Detail != "" {
			line = append(line, "detail", Printable(o.Detail)) // what this side saw
		}
		s.opts.Log.Log(context.Background(), level, "delivery", append(line, more...)...)
	}
	for _, i := range t.Dropped {
		s.opts.Log.Warn("dropped", "id", job.Item.ID, "recipient", job.Item.Recipients[i].Address,
			"reason", "undeliverable, and the null sender gets no notice")
	}
	for _, i := range t.Unwanted {
		r := &job.Item.Recipients[i]
		s.opts.Log.Info("no notice", "id", job.Item.ID, "sender", job.Item.Sender, "recipient", r.Address,
			"reason", "undeliverable, and the sender asked for no notice: NOTIFY="+r.Notify.String())
	}
}

var noticeNames = [...]string{"failure", "delay", "relayed"}

func (k NoticeKind) String() string { return noticeNames[k] }

func (s *Scheduler) logNotice(notice Item, n Notice) {
	s.opts.Tally.Notice(n.Kind)
	s.opts.Log.Info("notice", "id", notice.ID, "kind", n.Kind.String(), "about", n.Item.ID,
		"recipient", notice.Recipients[0].Address, "cause", n.Item.Recipients[n.Recipients[0]].Last.Cause)
}
