// Package certificate gives the listeners the certificate that they show: the operator's PEM files, read again when they
// change, or a self-signed one made on first use.
package certificate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Source holds one certificate. Its Get fits [tls.Config.GetCertificate].
type Source struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	read    fingerprint
	checked time.Time
}

// fingerprint tells two states of the files apart.
type fingerprint struct {
	cert, key         time.Time
	certSize, keySize int64
}

// checkEvery is how often the files are looked at; a handshake in between costs no system call.
const checkEvery = 10 * time.Second

// FromFiles reads a certificate chain and its key from PEM files. An error names the file and what to do.
func FromFiles(certFile, keyFile string, log *slog.Logger) (*Source, error) {
	s := &Source{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	print, err := s.fingerprint()
	if err != nil {
		return nil, fmt.Errorf("the listeners' certificate cannot be read: %w; see [certificate] in the configuration", err)
	}
	if err := s.load(print); err != nil {
		return nil, err
	}
	return s, nil
}

// Get gives the certificate as the files have it now. Files that became unreadable leave the last good one in use.
func (s *Source) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); now.Sub(s.checked) >= checkEvery || now.Before(s.checked) {
		s.checked = now
		s.refresh()
	}
	return s.current, nil
}

func (s *Source) refresh() {
	print, err := s.fingerprint()
	if err == nil && print != s.read {
		if err = s.load(print); err == nil {
			s.log.Info("certificate read again", "cert", s.certFile, "until", s.current.Leaf.NotAfter)
		}
	}
	if err != nil {
		s.log.Error("the certificate cannot be read, the last good one stays in use", "error", err)
	}
}

func (s *Source) load(print fingerprint) error {
	pair, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", s.certFile, s.keyFile, err)
	}
	s.current, s.read = &pair, print
	return nil
}

func (s *Source) fingerprint() (fingerprint, error) {
	cert, err := os.Stat(s.certFile)
	if err != nil {
		return fingerprint{}, err
	}
	key, err := os.Stat(s.keyFile)
	if err != nil {
		return fingerprint{}, err
	}
	return fingerprint{cert.ModTime(), key.ModTime(), cert.Size(), key.Size()}, nil
}
