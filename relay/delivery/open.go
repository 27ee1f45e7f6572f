package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/smtpclient"
	"tlsrelay/tlspolicy"
)

// session is one connection to one address of a host.
type session struct {
	a        *attempt // the one that uses it
	host     host
	addr     netip.Addr
	at       string // address and port
	decision tlspolicy.Decision
	ehlo     string // the name to say in EHLO
	conn     *smtpclient.Conn
	ext      smtpclient.Extensions
	tls      queue.TLSFacts
	since    time.Time // when it was made
	messages int       // transactions begun on it
	reused   bool      // it was kept from an attempt before
	over     bool      // no more mail can go over it
	again    bool      // on a new connection to the same address, what went wrong will go well
	choked   bool      // its handshake failed as it may do where the ClientHello is too big
}

func (a *attempt) newSession(h host, addr netip.Addr) *session {
	return &session{a: a, host: h, addr: addr, at: h.at(addr), decision: h.asks(a.decision), since: a.d.opts.Now()}
}

// start leads the session over a new connection to the point where mail may be sent, or says why it cannot.
func (s *session) start(ctx context.Context, nc net.Conn) trouble {
	s.ehlo = s.a.d.helloFrom(nc.LocalAddr())
	s.conn = smtpclient.New(nc, smtpclient.Options{
		Timeouts: s.a.d.opts.Timeouts, NoChunking: s.a.d.known.NoChunking(s.address()),
	})
	if t := s.open(ctx); t.weight > 0 {
		s.conn.Quit(ctx)
		return s.stamp(t)
	}
	return trouble{}
}

// address is the name under which the session's address is remembered.
func (s *session) address() netip.AddrPort { return s.host.addrPort(s.addr) }

// fits reports whether the session, kept from an attempt before, is good for another one, and has that use it.
func (s *session) fits(a *attempt) bool {
	if !s.sameTerms(a) || s.worn() || !s.conn.Ahead() && !s.conn.Alive() {
		return false
	}
	s.a = a
	return true
}

// sameTerms reports whether what was checked when the session was made is what the attempt asks for. The decision must be the
// same to the letter; a message with REQUIRETLS has its own session, since the server must promise something.
func (s *session) sameTerms(a *attempt) bool {
	return s.decision.Key() == s.host.asks(a.decision).Key() && !a.job.Item.RequireTLS
}

// worn reports whether the session was used long enough.
func (s *session) worn() bool {
	most := s.a.d.termsFor(s.a.job.Destination()).messages
	return most > 0 && s.messages >= most || s.a.d.opts.Now().Sub(s.since) >= maxAge || s.conn.Worn()
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
		return firstOver(state, sessionTrouble(err))
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
			return firstOver(state, t)
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
	if s.ext, err = s.conn.Hello(ctx, s.ehlo); err != nil {
		return sessionTrouble(err)
	}
	return trouble{}
}

// secure starts TLS one way or the other.
func (s *session) secure(ctx context.Context, start func(context.Context, *tls.Config) (tls.ConnectionState, []byte, error)) (*tls.ConnectionState, trouble) {
	state, raw, err := start(ctx, s.decision.ClientConfig(s.host.name))
	s.a.shown = shownIn(err)
	if err == nil {
		s.tls = factsOf(state)
		if s.decision.IsSmallHello() {
			s.a.d.known.UsedSmallHello()
		}
		return &state, trouble{}
	}
	t := sessionTrouble(err)
	if t.Stage == queue.StageTLS && t.TLS.Broken {
		cause, seen := s.decision.Explain(err, raw)
		t.Cause, t.Status, t.TLS.Seen = cause.Key, cause.Status, seen.String()
		s.choked = s.decision.TrySmallHello(err, seen)
		if s.decision.IsSmallHello() {
			s.a.d.known.ForgetSmallHello(s.address())
		}
	}
	if errors.Is(err, smtpclient.ErrInjected) { // what comes before our ClientHello is no answer to it
		t.Cause, t.Status = tlspolicy.HandshakeFailed.Key, tlspolicy.HandshakeFailed.Status
	}
	return nil, t
}

// firstOver is for a trouble with the first words over TLS, if there is any. A server that goes away then may have refused the
// handshake, in TLS 1.3 without our notice: that counts as broken TLS.
func firstOver(state *tls.ConnectionState, t trouble) trouble {
	if state != nil && t.Cause == queue.ConnectionLost.Key {
		t.TLS.Broken = true
	}
	return t
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
