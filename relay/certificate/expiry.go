package certificate

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"
)

// Certificates that end within soon are worth a line in the log, which is looked for once in lookEvery.
const (
	soon      = 7 * 24 * time.Hour
	lookEvery = 24 * time.Hour
)

// Run warns in the log, once a day, of certificates that are about to expire or have expired, until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		s.warn()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Expires gives when the first of the certificates does, as the files have them now.
func (s *Source) Expires() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	first := s.pairs[0].current.Leaf.NotAfter
	for _, p := range s.pairs[1:] {
		if until := p.current.Leaf.NotAfter; until.Before(first) {
			first = until
		}
	}
	return first
}

// warn looks at the certificates as the files have them now.
func (s *Source) warn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	for _, p := range s.pairs {
		warnOf(s.log, p.current.Leaf, s.now(), "cert", p.Cert)
	}
}

func warnOf(log *slog.Logger, leaf *x509.Certificate, now time.Time, where ...any) {
	facts := append(where, "names", leaf.DNSNames, "until", leaf.NotAfter)
	switch left := leaf.NotAfter.Sub(now); {
	case left <= 0:
		log.Warn("a certificate has expired: clients that check it cannot connect; renew it", facts...)
	case left <= soon:
		log.Warn("a certificate expires soon: renew it", append(facts, "days_left", int(left/(24*time.Hour)))...)
	}
}
