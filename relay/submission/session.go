package submission

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/emersion/go-smtp"

	"tlsrelay/queue"
	"tlsrelay/relay/address"
	"tlsrelay/relay/message"
	"tlsrelay/relay/submission/tenant"
)

// session decides about the envelope and hands the message to the queue. go-smtp calls it, in the order that the guard
// keeps; addresses and content come from the guard.
type session struct {
	guard      *guard
	sender     address.Address // zero: the null sender
	recipients []address.Address
	known      map[address.Address]bool // the same
	said       mailParameters           // about the message
	wishes     []rcptParameters         // about each of the recipients
	mail       *tenant.Mail             // nil: no rule for this client
}

func newSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{guard: c.Conn().(*guard)}, nil
}

// Reset implements [smtp.Session].
func (s *session) Reset() {
	s.mail.Close()
	*s = session{guard: s.guard}
}

// Logout implements [smtp.Session].
func (s *session) Logout() error {
	s.mail.Close()
	return nil
}

// Mail implements [smtp.Session]: it takes the sender of a client that may relay.
func (s *session) Mail(string, *smtp.MailOptions) error {
	if refused := s.mayRelay(); refused != nil {
		return refused
	}
	if limit := s.guard.srv.opts.MessageSize; s.guard.asked.size > limit {
		return tooLarge(limit)
	}
	if err := s.begin(); err != nil {
		return err
	}
	s.sender, s.said = s.guard.asked.address, s.guard.asked.mailParameters
	s.known = map[address.Address]bool{}
	return nil
}

// mayRelay says why the client may not, or nil.
func (s *session) mayRelay() *smtp.SMTPError {
	g := s.guard
	switch {
	case g.account != "" || g.on.lists(g.client):
		return nil
	case !g.on.canLogin():
		return smtpReply(554, "5.7.1", "Relay access denied: your address is not in a network that may relay here")
	case g.secure == nil:
		return smtpReply(530, "5.7.0", "Authentication required: send STARTTLS, then AUTH")
	}
	return smtpReply(530, "5.7.0", "Authentication required: send AUTH first")
}

// Rcpt implements [smtp.Session]: it takes a recipient. One that is named twice is kept once, with
// what was said of it first.
func (s *session) Rcpt(string, *smtp.RcptOptions) error {
	recipient := s.guard.asked.address
	if s.known[recipient] {
		return nil
	}
	if limit := s.guard.srv.opts.Recipients; len(s.recipients) >= limit {
		return smtpReply(452, "4.5.3", fmt.Sprintf("Too many recipients: at most %d; send the rest in another message",
			limit))
	}
	if refused := s.mail.Recipient(); refused != nil {
		return s.guard.tenantReply(refused)
	}
	s.known[recipient] = true
	s.recipients = append(s.recipients, recipient)
	s.wishes = append(s.wishes, s.guard.asked.rcptParameters)
	return nil
}

// Data implements [smtp.Session]: it takes the message. What it returns is the reply, for a success, too. The reader is
// left alone; go-smtp finds the final dot in it.
func (s *session) Data(io.Reader) error {
	b := s.guard.openBody()
	b.limit = s.mail.MessageSize(b.limit)
	item, err := s.accept(b)
	if b.finish() != nil {
		return errLost // nobody will read a reply
	}
	if err != nil {
		return s.refuse(err)
	}
	return smtpReply(250, "2.0.0", "Ok: queued as "+item.ID.String())
}

// accept brings the message to the queue.
func (s *session) accept(b *body) (queue.Item, error) {
	srv := s.guard.srv
	item := s.newItem()
	store, err := srv.opts.Queue.NewBody(srv.work)
	if err != nil {
		return item, err
	}
	defer store.Discard() // has no effect when the queue has it
	info, err := message.Prepare(store, b, s.trace(item))
	if err != nil {
		return item, s.tenantReason(err)
	}
	item.Size, item.EightBit, item.Header = info.Size, info.EightBit, info.Header
	item.SMTPUTF8 = info.UTF8 && s.said.utf8
	if err := srv.opts.Queue.Enqueue(srv.work, item, store); err != nil {
		return item, err
	}
	s.mail.Accept()
	srv.opts.Tally.Accepted(len(item.Recipients), item.Size)
	version, _ := s.tlsFacts()
	srv.opts.Log.Info("accepted", "id", item.ID.String(), "sender", item.Sender, "recipients", len(item.Recipients),
		"size", item.Size, "client", item.Client, "account", item.Account, "tls_version", version)
	return item, nil
}

func (s *session) newItem() queue.Item {
	o := &s.guard.srv.opts
	now := o.Now()
	item := queue.Item{
		ID:      o.Queue.NextID(),
		Sender:  s.sender.String(),
		Arrived: now,
		Expires: now.Add(o.Lifetime),
		Account: s.guard.account,
		Client:  clientText(s.guard.client),
		Return:  s.said.ret, EnvelopeID: s.said.envelopeID, RequireTLS: s.said.requireTLS,
	}
	for i, r := range s.recipients {
		item.Recipients = append(item.Recipients, queue.Recipient{
			Address: r.String(), Destination: r.Domain, State: queue.Queued, NextAttempt: now,
			Notify: s.wishes[i].notify, OriginalRecipient: s.wishes[i].original,
		})
	}
	return item
}

// trace is what the Received field of the message tells.
func (s *session) trace(item queue.Item) message.Options {
	o := message.Options{
		Hostname: s.guard.srv.opts.Hostname, ID: item.ID.String(), Now: item.Arrived,
		Helo: s.guard.hello, Client: s.guard.client, UserID: s.guard.userID,
		Authenticated: item.Account != "" && s.guard.userID == "", // that is: by AUTH
		Signer:        s.guard.srv.opts.Signer,
		SMTPUTF8:      s.said.utf8,
		Plain:         !s.guard.extended,
	}
	if version, cipher := s.tlsFacts(); version != "" {
		o.TLS = "TLS " + version + ", " + cipher
	}
	if len(item.Recipients) == 1 {
		o.Recipient = item.Recipients[0].Address
	}
	s.checkFrom(&o)
	return o
}

// tlsFacts gives version ("1.3") and cipher of the connection, both "" in clear text.
func (s *session) tlsFacts() (version, cipher string) {
	state := s.guard.secure
	if state == nil {
		return "", ""
	}
	return fmt.Sprintf("1.%d", state.Version-tls.VersionTLS10), tls.CipherSuiteName(state.CipherSuite)
}

// refuse makes the reply for a message that was not accepted.
func (s *session) refuse(err error) *smtp.SMTPError {
	log := s.guard.srv.opts.Log
	reply := smtpReply(451, "4.3.0", "The message could not be stored, try again later")
	var bad *message.Error
	var limit *tenant.Refusal
	switch {
	case errors.As(err, &limit):
		reply = smtpReply(limit.Code, limit.Status, limit.Text)
	case errors.As(err, &bad):
		reply = smtpReply(bad.Code, bad.Status, bad.Text)
	case errors.Is(err, errTooLarge):
		reply = tooLarge(s.guard.srv.opts.MessageSize)
	case errors.Is(err, queue.ErrFull):
		reply = smtpReply(452, "4.3.1", "There is no room for new messages, try again later")
	default:
		log.Error("a message could not be stored", "client", clientText(s.guard.client), "error", err)
	}
	if limit != nil && !limit.First || !s.guard.logsRefusal() {
		return reply
	}
	log.Info("refused", "sender", s.sender.String(), "client", clientText(s.guard.client), "account", s.guard.account,
		"code", reply.Code, "reply", reply.Message)
	return reply
}

func tooLarge(limit int64) *smtp.SMTPError {
	return smtpReply(552, "5.3.4", fmt.Sprintf("The message is too large: at most %d bytes", limit))
}

// clientText is "" for a client without a network address.
func clientText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
