package certificate

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Authorities are those that may vouch for clients: the certificates in a PEM file, read again when it changes.
type Authorities struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex
	pool    *x509.CertPool
	read    state
	checked time.Time
	trouble string // why the file cannot be read now; "" if it can
}

// state tells two versions of a file apart.
type state struct {
	changed time.Time
	size    int64
}

// maxAuthorities bounds the file, in bytes; all that browsers know take a quarter of it.
const maxAuthorities = 1 << 20

// NewAuthorities reads the file. An error names it and says what is wrong.
func NewAuthorities(path string, log *slog.Logger) (*Authorities, error) {
	a := &Authorities{path: path, log: log, now: time.Now}
	err := a.load()
	if err != nil {
		return nil, fmt.Errorf("the authorities for client certificates cannot be read: %w; see client_ca in the configuration", err)
	}
	a.checked = a.now()
	return a, nil
}

// Pool gives the authorities as the file has them now; one that became bad leaves the last good ones in use. The pool is not
// to be changed.
func (a *Authorities) Pool() *x509.CertPool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.now(); now.Sub(a.checked) >= checkEvery || now.Before(a.checked) {
		a.checked = now
		a.refresh()
	}
	return a.pool
}

// refresh reads the file if it has changed. Trouble is logged once, not at every look.
func (a *Authorities) refresh() {
	before := a.read
	err := a.load()
	switch {
	case err == nil:
		a.trouble = ""
		if a.read != before {
			a.log.Info("authorities for client certificates read again", "file", a.path)
		}
	case err.Error() != a.trouble:
		a.trouble = err.Error()
		a.log.Warn("the authorities for client certificates cannot be read, the last good ones stay in use", "error", a.trouble)
	}
}

// load reads the file, unless it is the version that was read before.
func (a *Authorities) load() error {
	file, err := os.Open(a.path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	now := state{info.ModTime(), info.Size()}
	if a.pool != nil && now == a.read {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(file, maxAuthorities+1))
	if err != nil {
		return err
	}
	pool, err := parseAuthorities(text)
	if err != nil {
		return fmt.Errorf("%s: %w", a.path, err)
	}
	a.pool, a.read = pool, now
	return nil
}

// parseAuthorities reads PEM. Unlike [x509.CertPool.AppendCertsFromPEM] it passes over nothing: half of a file must not count
// as all of it.
func parseAuthorities(text []byte) (*x509.CertPool, error) {
	if len(text) > maxAuthorities {
		return nil, fmt.Errorf("it is larger than %d bytes", maxAuthorities)
	}
	pool := x509.NewCertPool()
	begun, read := bytes.Count(text, []byte("-----BEGIN ")), 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		read++
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it holds a %.40q; only certificates belong there", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", read, err)
		}
		pool.AddCert(c)
	}
	switch {
	case begun == 0:
		return nil, errors.New("there is no certificate in it, in PEM")
	case read < begun:
		return nil, fmt.Errorf("only %d of %d certificates in it are whole", read, begun)
	}
	return pool, nil
}
