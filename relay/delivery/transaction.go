package delivery

import (
	"context"
	"errors"
	"slices"

	"tlsrelay/queue"
	"tlsrelay/relay/smtpclient"
)

// maxRecipients is how many recipients one transaction has; RFC 5321 section 4.5.3.1.8 has every server take so many.
const maxRecipients = 100

// codeClosing is the reply with which a server may end the session at any time (RFC 5321 section 3.8): it says nothing about the
// mail.
const codeClosing = 421

// deliver makes as many transactions as the recipients need. It gives the trouble that ended the session for those whose turn did
// not come, or the zero trouble.
func (s *session) deliver(ctx context.Context) trouble {
	if o, tooLarge := s.sizeTrouble(&s.a.job.Item); tooLarge {
		s.settleAll(s.a.left, o)
		return trouble{}
	}
	s.refuseUTF8()
	chunks := slices.Collect(slices.Chunk(slices.Clone(s.a.left), maxRecipients))
	for n, chunk := range chunks {
		ahead := s.nextEnvelope
		if n < len(chunks)-1 {
			ahead = nil
		}
		if err := s.transaction(ctx, chunk, ahead); err != nil {
			s.over = true
			return s.stamp(sessionTrouble(err))
		}
	}
	return trouble{}
}

// nextEnvelope gives the envelope of the next message if that may go over this session as it is.
func (s *session) nextEnvelope() (smtpclient.Envelope, bool) {
	next := s.a.next
	s.a.next = nil
	if next == nil || s.worn() {
		return smtpclient.Envelope{}, false
	}
	job, ok := next()
	if !ok || len(job.Recipients) > maxRecipients {
		return smtpclient.Envelope{}, false
	}
	_, tooLarge := s.sizeTrouble(&job.Item)
	if tooLarge || !s.sameTerms(s.a.d.newAttempt(job, nil)) {
		return smtpclient.Envelope{}, false
	}
	return envelopeOf(&job.Item, job.Recipients), true
}

// sizeTrouble compares the message with what the server said in EHLO (RFC 1870 section 6.1).
func (s *session) sizeTrouble(item *queue.Item) (queue.Outcome, bool) {
	if s.ext.MaxSize == 0 || item.Size <= s.ext.MaxSize {
		return queue.Outcome{}, false
	}
	return tooLarge(item.Size, s.ext.MaxSize), true
}

// transaction sends the message to some recipients and settles them. An error says why the session cannot go on. The envelope
// that ahead gives is for the next transaction.
func (s *session) transaction(ctx context.Context, recipients []int, ahead func() (smtpclient.Envelope, bool)) error {
	item := &s.a.job.Item
	env := envelopeOf(item, recipients)
	body, err := s.a.job.Open()
	if err != nil {
		s.settleAll(recipients, deferred(queue.LocalTrouble, queue.StageData, "the stored message cannot be read"))
		return errors.New("the stored message cannot be read")
	}
	defer body.Close()
	s.messages++
	result, err := s.conn.Send(ctx, env, body, ahead)
	silent := result.Mail.Code == 0 || result.Mail.Code == codeClosing
	s.a.spoke = s.a.spoke || !silent
	s.a.answered = s.a.answered || !silent && concluded(err)
	for n, i := range recipients {
		o := transactionOutcome(result.Rcpt[n], result.Dot, err)
		o.DSN = o.Result == queue.ResultDelivered && s.ext.DSN
		final := o.Result != queue.ResultDeferred || fateUnknown(err) && !(s.reused && silent)
		s.a.settle(i, s.located(o), final)
	}
	if errors.Is(err, smtpclient.ErrChunking) {
		s.a.d.known.LearnNoChunking(s.address())
		s.again = true
	}
	if err == nil || s.conn.Ahead() || s.conn.Reset(ctx) == nil {
		return nil
	}
	return err
}

// concluded reports whether a transaction ended with a word of the server, and not by its silence.
func concluded(err error) bool {
	var e *smtpclient.Error
	return err == nil || errors.As(err, &e) && e.Reply != nil
}

func (s *session) settleAll(recipients []int, o queue.Outcome) {
	for _, i := range slices.Clone(recipients) {
		s.a.settle(i, s.located(o), o.Result != queue.ResultDeferred)
	}
}
