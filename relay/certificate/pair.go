package certificate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// Files names a certificate chain and its key, in PEM; they may be one file.
type Files struct{ Cert, Key string }

// pair is a certificate as it was read last.
type pair struct {
	Files
	current *tls.Certificate
	read    fingerprint
	trouble string // why the files cannot be read now; "" if they can
}

// fingerprint tells two states of the files apart.
type fingerprint struct {
	cert, key         time.Time
	certSize, keySize int64
}

func newPair(f Files) (*pair, error) {
	p := &pair{Files: f}
	print, err := p.fingerprint()
	if err != nil {
		return nil, fmt.Errorf("the listeners' certificate cannot be read: %w; see [certificate] in the configuration", err)
	}
	return p, p.load(print)
}

// refresh reads the files if they have changed, and reports whether there is a new certificate. Trouble is logged once, not
// at every look.
func (p *pair) refresh(log *slog.Logger) bool {
	print, err := p.fingerprint()
	if err == nil && print == p.read {
		p.trouble = ""
		return false
	}
	if err == nil {
		err = p.load(print)
	}
	if err == nil {
		p.trouble = ""
		log.Info("certificate read again", "cert", p.Cert, "until", p.current.Leaf.NotAfter)
		return true
	}
	if text := err.Error(); text != p.trouble {
		p.trouble = text
		log.Warn("a certificate cannot be read, the last good one stays in use", "error", text)
	}
	return false
}

func (p *pair) load(print fingerprint) error {
	c, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", p.Cert, p.Key, err)
	}
	p.current, p.read = &c, print
	return nil
}

func (p *pair) fingerprint() (fingerprint, error) {
	cert, err := os.Stat(p.Cert)
	if err != nil {
		return fingerprint{}, err
	}
	key, err := os.Stat(p.Key)
	if err != nil {
		return fingerprint{}, err
	}
	return fingerprint{cert.ModTime(), key.ModTime(), cert.Size(), key.Size()}, nil
}
