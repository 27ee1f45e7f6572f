package submission

import (
	"errors"

	"github.com/emersion/go-smtp"

	"tlsrelay/relay/message"
	"tlsrelay/relay/submission/tenant"
)

// takeSeat finds the tenant that the client is now. Who could not send anyway is none.
func (g *guard) takeSeat() (refused *tenant.Refusal) {
	if g.account == "" && !g.on.lists(g.client) {
		return nil
	}
	g.seat, refused = g.srv.opts.Tenants.Enter(g.seat, g.account, g.client)
	return refused
}

func (g *guard) leaveSeat() {
	g.seat.Leave()
	g.seat = nil
}

// turnAway ends a new connection that go-smtp does not know yet. It does not wait for the client to read the reply: who has
// too many connections must not keep places of others.
func (g *guard) turnAway(r *tenant.Refusal) {
	g.logTenant("connect", r)
	g.say(r.Code, r.Status, r.Text)
	g.end()
	g.Conn.Close()
	g.srv.leave(g)
	g.srv.done()
}

// logIn makes the client an account that has proved who it is, unless that has too many connections.
func (g *guard) logIn(account string) error {
	g.account = account
	r := g.takeSeat()
	if r == nil {
		return nil
	}
	g.logTenant("AUTH", r)
	g.account = ""
	return smtpReply(454, r.Status, r.Text)
}

// logTenant notes a refusal that logRefusal does not see.
func (g *guard) logTenant(command string, r *tenant.Refusal) {
	if r.First {
		g.srv.opts.Log.Info("refused", "client", clientText(g.client), "account", g.account, "command", command, "reply", r.Text)
	}
}

// tenantReply makes the reply to MAIL or RCPT. One like many before it goes without a line in the log.
func (g *guard) tenantReply(r *tenant.Refusal) *smtp.SMTPError {
	g.unlogged = !r.First
	return smtpReply(r.Code, r.Status, r.Text)
}

// begin starts a transaction of the tenant, if the client is one.
func (s *session) begin() error {
	g := s.guard
	if r := g.takeSeat(); r != nil { // by rules that are newer than the connection
		r.Code = 450 // 421 would have to end it
		return g.tenantReply(r)
	}
	mail, r := g.seat.Begin(g.asked.address, g.asked.size)
	if r != nil {
		return g.tenantReply(r)
	}
	s.mail = mail
	return nil
}

// checkFrom gives a message the check of its From fields, if the tenant has a rule for them.
func (s *session) checkFrom(o *message.Options) {
	if !s.mail.ChecksFrom() {
		return
	}
	o.CheckFrom = func(values []string) error {
		if r := s.mail.CheckFrom(values); r != nil {
			return r
		}
		return nil
	}
}

// tenantReason gives the tenant's own words for a message that is over its own limit.
func (s *session) tenantReason(err error) error {
	limit := s.guard.srv.opts.MessageSize
	if errors.Is(err, errTooLarge) && s.mail.MessageSize(limit) < limit {
		return s.mail.TooLarge()
	}
	return err
}
