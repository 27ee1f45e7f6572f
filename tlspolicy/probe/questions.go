package probe

import (
	"crypto/tls"
	"slices"

	"tlsrelay/tlspolicy"
)

// shakeHands does what mail does, if the server has what it takes. That shows the certificate that mail would see.
func (s *survey) shakeHands() {
	var h handshake
	if s.offers(tlspolicy.TLS13) || s.offers(tlspolicy.TLS12) {
		h = s.shakeAny()
	}
	if h.err == nil && h.state.CurveID == tls.X25519MLKEM768 {
		s.r.PostQuantum = Yes
	}
	s.r.refused = h.cause == tlspolicy.NoCommonCipher || h.cause == tlspolicy.HandshakeFailed && h.seen.Alert == 40 && !h.seen.Hello
	s.certificate(h)
}

// shakeAny does a handshake with a big ClientHello, or a small one where the big one seems to be too much.
func (s *survey) shakeAny() handshake {
	d := tlspolicy.Decision{}
	h, err := s.shake(d)
	if err != nil || !d.TrySmallHello(h.err, h.seen) {
		if h.big && h.seen.Hello {
			s.r.BigHello = Yes
		}
		return h
	}
	small, err := s.shake(d.SmallHello())
	if err != nil {
		return h
	}
	if h.big && small.seen.Hello {
		s.r.BigHello = No
	}
	return small
}

// askBig sends a ClientHello that is longer than a packet, where the handshake did not tell.
func (s *survey) askBig() {
	newest := s.r.Offered()
	if s.r.BigHello != Unknown || len(newest) == 0 {
		return
	}
	v := newest[len(newest)-1]
	if v == tlspolicy.SSL30 {
		return // has nothing to fill a ClientHello with
	}
	h := newHello(v, s.target.Name, false)
	h.size = bigHello
	a, down := s.insist(h, h, false)
	s.r.BigHello = a.about(v)
	if down || a.silent {
		s.r.BigHello = No
	}
}

// askExchanges asks for each family of key exchange in the newest version that has a choice of them.
func (s *survey) askExchanges() {
	i := slices.IndexFunc(versions[1:], s.offers)
	if i < 0 {
		return
	}
	v := versions[1:][i]
	for _, f := range families {
		e := Exchange{Name: f.name}
		switch {
		case familyOf(s.suites[v]) == f.name:
			e.Offered = Yes
		case v == tlspolicy.SSL30 && f.name == ecdhe: // cannot name a curve
			e.Offered = No
		default:
			e.Offered = s.askExchange(v, f)
		}
		s.r.Exchanges = append(s.r.Exchanges, e)
	}
}

func (s *survey) askExchange(v tlspolicy.Version, f family) Answer {
	h, small := newHello(v, s.target.Name, false), newHello(v, s.target.Name, true)
	h.suites, small.suites = f.of(v), f.common(v)
	a, down := s.insist(h, small, false)
	if down || a.hello && familyOf(a.seen.Cipher) != f.name {
		return No
	}
	return a.about(v)
}

// askQuantum asks for TLS 1.3 with post-quantum key exchange and no other.
func (s *survey) askQuantum() {
	switch {
	case s.r.PostQuantum == Yes: // the handshake showed it
		return
	case !s.offers(tlspolicy.TLS13):
		if s.found[tlspolicy.TLS13].Offered == No {
			s.r.PostQuantum = No
		}
		return
	}
	a := s.ask(quantumHello(s.target.Name), false)
	s.r.PostQuantum = a.about(tlspolicy.TLS13)
	switch {
	case a.hello:
		s.r.BigHello = Yes
	case s.r.BigHello != Yes: // it may be the size that it does not like
		s.r.PostQuantum = Unknown
	case a.lost == nil && a.seen.Alert >= 0:
		s.r.PostQuantum = No
	}
}
