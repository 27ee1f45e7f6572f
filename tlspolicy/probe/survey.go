package probe

import (
	"context"
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
	bounded, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	newSurvey(line{p: p, ctx: bounded, target: t}, r).run()
	if ctx.Err() != nil && r.Trouble == "" {
		r.Trouble = stopped
	}
	r.Time = p.opts.Now()
	return r
}

// survey is a probe under way.
type survey struct {
	line
	r      *Result
	found  map[tlspolicy.Version]Version
	suites map[tlspolicy.Version]uint16 // that the server chose, before TLS 1.3
	down   map[tlspolicy.Version]bool   // versions that were turned down twice without a reason
	old    bool                         // offered TLS 1.2, it chose an older one
	looked bool                         // for the certificate in clear text
	chain  [][]byte                     // that was found there
}

func newSurvey(l line, r *Result) *survey {
	return &survey{line: l, r: r, found: make(map[tlspolicy.Version]Version), suites: make(map[tlspolicy.Version]uint16),
		down: make(map[tlspolicy.Version]bool)}
}

func (s *survey) run() {
	for i, v := range versions {
		if _, known := s.found[v]; known {
			continue // the answer about a newer one told
		}
		err := s.askVersion(v)
		if i == 0 && err != nil {
			s.trouble(err)
			return
		}
	}
	s.r.STARTTLS = Yes
	s.conclude()
	for _, v := range slices.Backward(versions) {
		s.r.Versions = append(s.r.Versions, s.found[v])
	}
	s.shakeHands()
	s.askBig()
	s.askExchanges()
	s.askQuantum()
}

// trouble ends a survey that has not begun.
func (s *survey) trouble(err error) {
	s.r.Trouble = words(err)
	switch {
	case errors.Is(err, ErrNotOffered):
		s.r.STARTTLS = No
	case errors.Is(err, ErrRefused):
		s.r.STARTTLS, s.r.Refused = Yes, true
	}
}

// askVersion finds out about one version. The error says that there was no connection.
func (s *survey) askVersion(v tlspolicy.Version) error {
	a, down := s.insist(newHello(v, s.target.Name, false), newHello(v, s.target.Name, true), !s.looked)
	s.down[v] = down
	s.found[v] = Version{v, a.about(v), a.String()}
	if a.refused() { // whether it is the version shows when the answers about the others are known
		s.found[v], s.down[v] = Version{v, Unknown, a.String()}, true
	}
	if !a.hello || a.seen.Version == tlspolicy.TLS13 {
		return a.lost
	}
	if !s.looked {
		s.looked, s.chain = true, a.chain
	}
	chosen := a.seen.Version
	s.suites[chosen] = a.seen.Cipher
	if chosen < v && slices.Contains(versions, chosen) {
		s.found[chosen] = Version{chosen, Yes, a.String()}
		s.old = s.old || v == tlspolicy.TLS12
	}
	return a.lost
}

// conclude makes a No of three cases in which a server does not say that it refuses a version, if it talks about others: when it
// finds nothing in a ClientHello that leaves it all choice, when it turned down two different ones without a reason (Windows does
// that), and when it has no answer about TLS 1.3, and chose an older version than 1.2 when it had that choice. A server that turns
// down whatever it is asked may offer what the probe did not think of, such as TLS without certificates.
func (s *survey) conclude() {
	if !slices.ContainsFunc(versions, s.offers) {
		return
	}
	for v, found := range s.found {
		if found.Offered == Unknown && (s.down[v] || v == tlspolicy.TLS13 && s.old) {
			found.Offered = No
			s.found[v] = found
		}
	}
}

func (s *survey) offers(v tlspolicy.Version) bool { return s.found[v].Offered == Yes }
