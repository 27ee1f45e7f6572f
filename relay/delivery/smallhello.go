package delivery

import (
	"context"
	"net"
	"net/netip"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// A ClientHello with post-quantum key shares is bigger than a packet. Some old servers, and things that stand before them, do not
// get over that: they are silent, hang up, or send an alert that says nothing. Before that counts as broken TLS, the handshake is
// tried once more with a small hello, over a new connection. What worked is remembered for the address.

// begin makes a session over a connection that was just made to an address, or says why it cannot.
func (a *attempt) begin(ctx context.Context, h host, addr netip.Addr, nc net.Conn) (*session, trouble) {
	s := a.newSession(h, addr)
	if a.d.known.SmallHello(s.address()) {
		s.decision = s.decision.SmallHello()
	}
	t := s.start(ctx, nc)
	switch {
	case t.weight == 0:
		return s, t
	case s.choked && ctx.Err() == nil:
		return a.again(ctx, s, t)
	}
	return nil, t
}

// again tries the small hello after the first handshake failed with the trouble t. A host that offered TLS a moment ago is not
// spoken to in clear text now.
func (a *attempt) again(ctx context.Context, first *session, t trouble) (*session, trouble) {
	s := a.newSession(first.host, first.addr)
	terms := s.decision.SmallHello()
	s.decision = terms.WithoutClearText()
	a.connects++
	nc, err := a.d.dial(ctx, a.job.Destination(), s.host, s.addr)
	if err != nil {
		return nil, t
	}
	second := s.start(ctx, nc)
	s.decision = terms
	if s.tls.Version == "" {
		return nil, moreTelling(t, second)
	}
	if a.d.known.LearnSmallHello(s.address()) {
		a.d.log.Info("a server needs the small ClientHello", "host", s.host.name, "address", s.at, "with_the_usual_one", t.TLS.Seen)
	}
	if second.weight > 0 {
		return nil, second
	}
	return s, trouble{}
}

// moreTelling picks one of the troubles that two tries had with the TLS of one address: the second if it names the cause, or if
// the server showed something only then.
func moreTelling(first, second trouble) trouble {
	named := second.Stage == queue.StageTLS && second.TLS.Broken && second.Cause != tlspolicy.HandshakeFailed.Key
	shown := second.TLS.Broken && second.TLS.Seen != "" && first.TLS.Seen == tlspolicy.Observed{}.String()
	if named || shown {
		return second
	}
	return first
}
