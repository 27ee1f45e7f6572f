package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"

	"tlsrelay/tlspolicy"
)

// versions are asked for from the newest on: where time or connections run out, it is the newest that matter.
var versions = []tlspolicy.Version{tlspolicy.TLS13, tlspolicy.TLS12, tlspolicy.TLS11, tlspolicy.TLS10, tlspolicy.SSL30}

// probe finds out all there is to know about a target.
func (p *Prober) probe(ctx context.Context, t Target) *Result {
	r := &Result{Target: t}
	done, err := p.turns.take(ctx, t.Addr.Addr())
	if err != nil {
		r.Trouble, r.Time = stopped, p.opts.Now()
		return r
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	s := &survey{line: line{p: p, ctx: ctx, target: t}, r: r, found: make(map[tlspolicy.Version]Version), down: make(map[tlspolicy.Version]bool)}
	s.run()
	r.Time = p.opts.Now()
	return r
}

// survey is a probe under way.
type survey struct {
	line
	r     *Result
	found map[tlspolicy.Version]Version
	down  map[tlspolicy.Version]bool // versions that were turned down twice without a reason
	chain [][]byte                   // of certificates, seen in clear text
	suite uint16                     // that the server chose in the newest version before TLS 1.3
}

func (s *survey) run() {
	for _, v := range versions {
		if _, known := s.found[v]; known {
			continue // the answer about a newer one told
		}
		if err := s.askVersion(v); err != nil && s.count == 1 {
			s.trouble(err)
			return
		}
		s.r.STARTTLS = Yes
	}
	s.conclude()
	for _, v := range slices.Backward(versions) {
		s.r.Versions = append(s.r.Versions, s.found[v])
	}
	s.shakeHands()
	s.askExchanges()
	s.askQuantum()
	s.askBig()
}

// trouble ends a survey that has not begun.
func (s *survey) trouble(err error) {
	s.r.Trouble = words(err)
	if errors.Is(err, ErrNotOffered) {
		s.r.STARTTLS = No
	}
}

// askVersion finds out about one version. The error says that there was no connection.
func (s *survey) askVersion(v tlspolicy.Version) error {
	a := s.ask(newHello(v, s.target.Name, false), s.chain == nil)
	if a.lost == nil && a.about(v) == Unknown {
		a, s.down[v] = s.again(a, newHello(v, s.target.Name, true))
	}
	s.found[v] = Version{v, a.about(v), a.String()}
	if !a.hello || a.seen.Version == tlspolicy.TLS13 {
		return a.lost
	}
	if a.chain != nil {
		s.chain = a.chain
	}
	if s.suite == 0 {
		s.suite = a.seen.Cipher
	}
	if older := a.seen.Version; older < v && slices.Contains(versions, older) {
		s.found[older] = Version{older, Yes, a.String()}
	}
	return a.lost
}

// conclude makes a No of two cases in which a server refuses a version without a word, if it talks about others: when it
// turned down two different ClientHellos (Windows does that), and when it is silent about TLS 1.3, and has shown in the answer
// about 1.2 that it is older than that.
func (s *survey) conclude() {
	if !slices.ContainsFunc(versions, s.offers) {
		return
	}
	for v, found := range s.found {
		old := v == tlspolicy.TLS13 && s.found[tlspolicy.TLS12].Offered == No
		if found.Offered == Unknown && (s.down[v] || old) {
			found.Offered = No
			s.found[v] = found
		}
	}
}

func (s *survey) offers(v tlspolicy.Version) bool { return s.found[v].Offered == Yes }

// shakeHands does what mail does, if the server has what it takes. That shows the certificate that mail would see.
func (s *survey) shakeHands() {
	if !s.offers(tlspolicy.TLS13) && !s.offers(tlspolicy.TLS12) {
		s.certificate(handshake{})
		return
	}
	h, err := s.shake(tlspolicy.Decision{})
	if err != nil {
		s.certificate(handshake{})
		return
	}
	answered := h.seen.Hello
	if (tlspolicy.Decision{}).TrySmallHello(h.err, h.seen) {
		small, err := s.shake(tlspolicy.Decision{}.SmallHello())
		if err == nil {
			if h.big && small.seen.Hello {
				s.r.BigHello = No
			}
			h = small
		}
	}
	if answered && h.big {
		s.r.BigHello = Yes
	}
	if h.err == nil && h.state.CurveID == tls.X25519MLKEM768 {
		s.r.PostQuantum = Yes
	}
	s.r.refused = h.cause == tlspolicy.NoCommonCipher || h.cause == tlspolicy.HandshakeFailed && h.seen.Alert == 40
	s.certificate(h)
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
		case familyOf(s.suite) == f.name:
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
	h := newHello(v, s.target.Name, true)
	h.suites, h.groups = f.of(v), allGroups
	a := s.ask(h, false)
	down := false
	if a.lost == nil && a.about(v) == Unknown {
		h.suites, h.groups = f.common(v), smallGroups
		a, down = s.again(a, h)
	}
	switch {
	case a.about(v) == Yes && familyOf(a.seen.Cipher) != f.name, down:
		return No
	}
	return a.about(v)
}

// askQuantum asks for TLS 1.3 with post-quantum key exchange and no other.
func (s *survey) askQuantum() {
	if s.r.PostQuantum != Unknown || !s.offers(tlspolicy.TLS13) {
		s.r.PostQuantum = s.r.PostQuantum.or(s.found[tlspolicy.TLS13].Offered.no())
		return
	}
	a := s.ask(quantumHello(s.target.Name), false)
	s.r.PostQuantum = a.about(tlspolicy.TLS13)
	switch {
	case a.hello:
		s.r.BigHello = Yes
	case a.seen.Alert >= 0 && s.r.BigHello == Yes: // whatever it says, it is not the size
		s.r.PostQuantum = No
	case s.r.BigHello != Yes:
		s.r.PostQuantum = Unknown
	}
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
	a := s.ask(h, false)
	if a.about(v) != Unknown {
		s.r.BigHello = a.about(v)
		return
	}
	if _, down := s.again(a, h); down || a.silent {
		s.r.BigHello = No
	}
}
