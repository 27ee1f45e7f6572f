package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"

	"tlsrelay/queue"
	"tlsrelay/relay/smtpclient"
	"tlsrelay/tlspolicy"
)

// maxRecipients is how many recipients one transaction has; RFC 5321 section 4.5.3.1.8 has every server take so many.
const maxRecipients = 100

// session is one connection of an attempt, to one address of a host.
type session struct {
	a        *attempt
	host     host
	at       string // address and port
	decision tlspolicy.Decision
	conn     *smtpclient.Conn
	ext      smtpclient.Extensions
	tls      queue.TLSFacts
}

// session connects, reaches the TLS that the decision asks for, and delivers to the recipients that are left. It gives the
// trouble that kept it from speaking about recipients at all, or the zero trouble.
func (a *attempt) session(ctx context.Context, h host, addr netip.Addr) trouble {
	s := &session{a: a, host: h, at: netip.AddrPortFrom(addr, h.port).String(), decision: a.decision}
	if h.login() {
		s.decision = s.decision.Authenticated()
	}
	nc, err := a.d.dial(ctx, h, addr)
	if err != nil {
		return s.stamp(dialTrouble(err))
	}
	s.conn = smtpclient.New(nc, smtpclient.Options{Timeouts: a.d.opts.Timeouts})
	defer s.conn.Close()
	if t := s.open(ctx); t.weight > 0 {
		s.conn.Quit(ctx)
		return s.stamp(t)
	}
	a.sessions++
	s.deliver(ctx)
	s.conn.Quit(ctx)
	return trouble{}
}

// open leads the dialogue up to the point where mail may be sent: the verdict on TLS has passed, the login too.
func (s *session) open(ctx context.Context) trouble {
	var state *tls.ConnectionState
	if s.host.implicitTLS() {
		var t trouble
		if state, t = s.secure(ctx, s.conn.Handshake); t.weight > 0 {
			return t
		}
	}
	if _, err := s.conn.Greeting(ctx); err != nil {
		return sessionTrouble(err)
	}
	if t := s.hello(ctx); t.weight > 0 {
		return t
	}
	offered := s.ext.STARTTLS
	if offered && state == nil {
		var t trouble
		if state, t = s.secure(ctx, s.conn.StartTLS); t.weight > 0 {
			return t
		}
		if t := s.hello(ctx); t.weight > 0 {
			return t
		}
	}
	if v := s.decision.Judge(offered, state); !v.Pass {
		return policyTrouble(v.Cause, v.Detail)
	}
	if s.a.strict() && !s.ext.RequireTLS {
		return trouble{failed(queue.NeedsRequireTLS, queue.StageHello, "the server does not offer REQUIRETLS"), weightSaid}
	}
	if s.host.login() {
		if err := s.conn.Auth(ctx, s.host.route.Username, s.host.route.Password); err != nil {
			return sessionTrouble(err)
		}
	}
	return trouble{}
}

func (s *session) hello(ctx context.Context) trouble {
	var err error
	if s.ext, err = s.conn.Hello(ctx, s.a.d.opts.Hostname); err != nil {
		return sessionTrouble(err)
	}
	return trouble{}
}

// secure starts TLS one way or the other.
func (s *session) secure(ctx context.Context, start func(context.Context, *tls.Config) (tls.ConnectionState, []byte, error)) (*tls.ConnectionState, trouble) {
	state, raw, err := start(ctx, s.decision.ClientConfig(s.host.name))
	if err == nil {
		s.tls = factsOf(state)
		return &state, trouble{}
	}
	t := sessionTrouble(err)
	if t.Stage == queue.StageTLS && t.TLS.Broken {
		cause, seen := s.decision.Explain(err, raw)
		t.Cause, t.Status, t.TLS.Seen = cause.Key, cause.Status, seen.String()
	}
	return nil, t
}

func factsOf(state tls.ConnectionState) queue.TLSFacts {
	f := queue.TLSFacts{
		Version: tlspolicy.Version(state.Version).String(),
		Cipher:  tls.CipherSuiteName(state.CipherSuite),
	}
	if state.CurveID != 0 {
		f.Group = state.CurveID.String()
	}
	return f
}

// stamp adds where a trouble was met.
func (s *session) stamp(t trouble) trouble {
	t.Outcome = s.located(t.Outcome)
	return t
}

// located adds the host, its address and the TLS of this session to an outcome.
func (s *session) located(o queue.Outcome) queue.Outcome {
	seen, broken := o.TLS.Seen, o.TLS.Broken
	o.Host, o.Remote, o.TLS = s.host.name, s.at, s.tls
	o.TLS.Seen, o.TLS.Broken = seen, broken
	return o
}

// deliver makes as many transactions as the recipients need.
func (s *session) deliver(ctx context.Context) {
	if o, tooLarge := s.sizeTrouble(); tooLarge {
		s.settleAll(s.a.left, o)
		return
	}
	s.refuseUTF8()
	for chunk := range slices.Chunk(slices.Clone(s.a.left), maxRecipients) {
		if err := s.transaction(ctx, chunk); err != nil {
			s.a.note(s.stamp(sessionTrouble(err))) // for those whose turn did not come
			return
		}
	}
}

// sizeTrouble compares the message with what the server said in EHLO (RFC 1870 section 6.1).
func (s *session) sizeTrouble() (queue.Outcome, bool) {
	if s.ext.MaxSize == 0 || s.a.job.Item.Size <= s.ext.MaxSize {
		return queue.Outcome{}, false
	}
	return tooLarge(s.a.job.Item.Size, s.ext.MaxSize), true
}

// transaction sends the message to some recipients and settles them. An error says why the session cannot go on.
func (s *session) transaction(ctx context.Context, recipients []int) error {
	item := &s.a.job.Item
	env := envelopeOf(item, recipients)
	body, err := s.a.job.Open()
	if err != nil {
		s.settleAll(recipients, deferred(queue.LocalTrouble, queue.StageData, "the stored message cannot be read"))
		return errors.New("the stored message cannot be read")
	}
	defer body.Close()
	result, err := s.conn.Send(ctx, env, body)
	for n, i := range recipients {
		o := transactionOutcome(result.Rcpt[n], result.Dot, err)
		o.DSN = o.Result == queue.ResultDelivered && s.ext.DSN
		s.a.settle(i, s.located(o), o.Result != queue.ResultDeferred || fateUnknown(err))
	}
	if err != nil && s.conn.Reset(ctx) != nil {
		return err
	}
	return nil
}

func (s *session) settleAll(recipients []int, o queue.Outcome) {
	for _, i := range slices.Clone(recipients) {
		s.a.settle(i, s.located(o), o.Result != queue.ResultDeferred)
	}
}
