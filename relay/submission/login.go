package submission

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"tlsrelay/relay/submission/dovecot"
	"tlsrelay/relay/submission/guess"
)

// login is nil if verify finds that the client may use the account. A client that guesses is not asked for long: then verify
// does not run, and the reply tells when a login is possible again. Guesses are counted without regard to case: for Dovecot, all
// spellings are one account.
func (s *session) login(name string, verify func() (bool, error)) error {
	g := s.guard
	watch, from, counted := g.srv.guesses, s.guesser(), strings.ToLower(name)
	if b := watch.Blocked(from, counted); b != nil {
		return s.blocked(b)
	}
	begin := time.Now()
	ok, err := verify()
	if err != nil {
		return s.cannotCheck(err)
	}
	v := watch.Judge(from, counted, ok)
	switch {
	case v.Refused != nil:
		return s.blocked(v.Refused)
	case ok:
		return nil
	}
	s.logFailure(name, v.Began)
	// From the beginning: how long the check took would tell whether there is such an account.
	wait(g.srv.running, time.Until(begin.Add(max(v.Delay, g.srv.leastDelay()))))
	g.failedLogins++
	return smtpReply(535, "5.7.8", "Wrong user name or password")
}

// cannotCheck is the reply when the accounts are out of reach. It counts for nothing.
func (s *session) cannotCheck(err error) *smtp.SMTPError {
	if !errors.Is(err, dovecot.ErrUnavailable) { // that is logged, once for many
		s.guard.srv.opts.Log.Error("cannot check a login", "client", clientText(s.guard.client), "error", err)
	}
	return smtpReply(454, "4.7.0", "Logins cannot be checked now, try again later")
}

// guesser is the client as it counts for guesses. Loopback addresses and listed networks are where other servers and
// web mail log in for many people.
func (s *session) guesser() guess.Client {
	g := s.guard
	return guess.Client{Addr: g.client, Trusted: g.client.IsLoopback() || g.on.lists(g.client)}
}

// blocked is the reply while a client, an account or both are blocked. It is not logged: the begin of the block was.
func (s *session) blocked(b *guess.Block) *smtp.SMTPError {
	s.guard.failedLogins++
	s.guard.blocked = true
	where := [...]string{
		guess.Address: "from your address", guess.Pair: "to this account from your address", guess.Account: "to this account",
	}[b.Scope]
	lifts := b.Until.Add(time.Minute - 1).Truncate(time.Minute) // a full minute in which it holds no more
	return smtpReply(454, "4.7.0", "Too many failed logins "+where+", try again after "+lifts.Format("15:04 MST"))
}

// logFailure writes the name of the account only if there is one: people type their password there.
func (s *session) logFailure(name string, began *guess.Block) {
	g := s.guard
	if known, err := g.srv.opts.Accounts.Has(name); !known || err != nil {
		name = ""
	}
	log := g.srv.opts.Log.With("client", clientText(g.client), "account", name)
	log.Warn("login failed", "attempt", g.failedLogins+1)
	if began != nil {
		log.Warn("logins blocked", "of", began.Scope.String(), "until", began.Until.UTC().Format(time.RFC3339))
	}
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
