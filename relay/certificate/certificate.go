// Package certificate gives the listeners the certificates that they show: the operator's PEM files, read again when they
// change, or a self-signed one made on first use.
package certificate

import (
	"crypto/tls"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Source holds one or more certificates. Its Get fits [tls.Config.GetCertificate].
type Source struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	pairs   []*pair
	names   map[string][]*tls.Certificate // by the DNS names in them, in the order of pairs; "*.example.org" is one
	checked time.Time
}

// checkEvery is how often the files are looked at; a handshake in between costs no system call.
const checkEvery = 10 * time.Second

// FromFiles reads certificate chains and their keys from PEM files: at least one pair. An error names the file and what to
// do.
func FromFiles(log *slog.Logger, files ...Files) (*Source, error) {
	s := &Source{log: log, now: time.Now}
	for _, f := range files {
		p, err := newPair(f)
		if err != nil {
			return nil, err
		}
		s.pairs = append(s.pairs, p)
	}
	s.index()
	return s, nil
}

// Get gives the certificate for the name that the client asks for by SNI (RFC 6066, 3): one that has the name itself, or
// else a wildcard for it, or else the first of all. It is as the files have it now; files that became bad leave the last
// good one in use.
func (s *Source) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	if found := s.find(hello); found != nil {
		return found, nil
	}
	return s.pairs[0].current, nil
}

// find gives a certificate for the name, nil if there is none. Of several, such as one with an RSA and one with an ECDSA
// key, it is the first that the client can use.
func (s *Source) find(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	candidates := s.names[name]
	if len(candidates) == 0 {
		_, domain, _ := strings.Cut(name, ".")
		candidates = s.names["*."+domain]
	}
	if len(candidates) == 0 {
		return nil
	}
	if len(candidates) > 1 {
		for _, c := range candidates {
			if hello.SupportsCertificate(c) == nil {
				return c
			}
		}
	}
	return candidates[0]
}

// look is refresh if the last one was a while ago.
func (s *Source) look() {
	if now := s.now(); now.Sub(s.checked) >= checkEvery || now.Before(s.checked) {
		s.refresh()
	}
}

// refresh reads the files that have changed.
func (s *Source) refresh() {
	s.checked = s.now()
	changed := false
	for _, p := range s.pairs {
		changed = p.refresh(s.log) || changed
	}
	if changed {
		s.index()
	}
}

func (s *Source) index() {
	s.names = map[string][]*tls.Certificate{}
	for _, p := range s.pairs {
		for _, name := range p.current.Leaf.DNSNames {
			name = strings.ToLower(name)
			s.names[name] = append(s.names[name], p.current)
		}
	}
}
