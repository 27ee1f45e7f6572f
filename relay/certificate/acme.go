package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
)

// ACMEOptions says which certificate an authority is asked for (RFC 8555), and where that is proved.
type ACMEOptions struct {
	Names     []string // in the certificate, at least one
	Email     string   // for the authority; "" for none
	Directory string   // URL; "": Let's Encrypt
	HTTP      string   // address for the proofs by HTTP-01; the authority connects to port 80
	Dir       string   // for account and certificate; made, mode 0700
	Fallback  *Source  // shown until there is a certificate
	Roots     *x509.CertPool
	Log       *slog.Logger
}

// ACME is a certificate from an authority, renewed in time. It uses the protocol's own package, not autocert above it: that
// always begins with TLS-ALPN-01, which an SMTP port cannot do, so each certificate would cost a proof that fails, and
// authorities count those.
type ACME struct {
	o      ACMEOptions
	client *acme.Client // without a key until the first order
	proofs proofs
	listen net.Listener

	mu      sync.Mutex
	current *tls.Certificate // nil: none yet
}

// Times of orders. Let's Encrypt allows five proofs an hour to fail.
const (
	orderTimeout  = 5 * time.Minute
	firstRetry    = 15 * time.Minute
	longestRetry  = 4 * time.Hour
	fileKey       = "account.pem"
	fileCert      = "certificate.pem"
	renewalShare  = 3 // renewed when a third of the lifetime is left
	longestAnswer = 300
)

// NewACME listens for proofs, and takes the certificate of an earlier run if there is one. Close it, or Run it to its end.
func NewACME(o ACMEOptions) (*ACME, error) {
	if o.Directory == "" {
		o.Directory = acme.LetsEncryptURL
	}
	directory, err := url.Parse(o.Directory)
	if err != nil {
		return nil, fmt.Errorf("acme.directory: %w", err)
	}
	o.Dir = filepath.Join(o.Dir, strings.ReplaceAll(directory.Host, ":", "_")) // an account is known to one authority
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	a := &ACME{o: o, client: newClient(o)}
	if a.current, err = loadPair(filepath.Join(o.Dir, fileCert)); err != nil {
		o.Log.Warn("the certificate of an earlier run cannot be read, a new one will be ordered", "error", err)
	}
	if a.current != nil && !covers(a.current.Leaf, o.Names) {
		a.current = nil
	}
	if a.listen, err = net.Listen("tcp", o.HTTP); err != nil {
		return nil, fmt.Errorf("acme.http: %w", err)
	}
	return a, nil
}

func covers(leaf *x509.Certificate, names []string) bool {
	for _, n := range names {
		if leaf.VerifyHostname(n) != nil {
			return false
		}
	}
	return true
}

// Get gives the certificate, whatever name is asked for; until there is one, the fallback's.
func (a *ACME) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := a.certificate(); c != nil {
		return c, nil
	}
	return a.o.Fallback.Get(hello)
}

// Expires gives when the certificate that is shown does.
func (a *ACME) Expires() time.Time {
	if c := a.certificate(); c != nil {
		return c.Leaf.NotAfter
	}
	return a.o.Fallback.Expires()
}

func (a *ACME) certificate() *tls.Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current
}

// Close ends a listener that Run was not called for.
func (a *ACME) Close() error {
	if err := a.listen.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Run answers proofs and orders certificates until ctx ends. An order that fails is tried again, with growing pauses; the log
// says so. Its error is that of a listener that broke.
func (a *ACME) Run(ctx context.Context) error {
	served := make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		served <- a.proofs.serve(ctx, a.listen)
		stop()
	}()
	retry := firstRetry
	for ctx.Err() == nil {
		pause := a.due(time.Now())
		if pause <= 0 {
			if err := a.order(ctx); err == nil {
				retry = firstRetry
				continue
			} else if ctx.Err() == nil {
				a.o.Log.Warn("no certificate from the ACME authority", "names", a.o.Names, "error", short(err), "next_try", retry.String())
			}
			pause, retry = retry, min(2*retry, longestRetry)
		}
		if c := a.certificate(); c != nil {
			warnOf(a.o.Log, c.Leaf, time.Now(), "directory", a.o.Directory)
		}
		wait(ctx, min(pause, lookEvery))
	}
	return <-served
}

// due is how long the certificate at hand is good enough.
func (a *ACME) due(now time.Time) time.Duration {
	c := a.certificate()
	if c == nil {
		return 0
	}
	lifetime := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)
	return c.Leaf.NotAfter.Add(-lifetime / renewalShare).Sub(now)
}

// order gets a certificate and puts it in use.
func (a *ACME) order(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	c, err := a.issue(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.current = c
	a.mu.Unlock()
	a.o.Log.Info("certificate from the ACME authority", "names", c.Leaf.DNSNames, "until", c.Leaf.NotAfter)
	return nil
}

// short bounds what the authority says.
func short(err error) string {
	text := err.Error()
	if len(text) > longestAnswer {
		text = strings.ToValidUTF8(text[:longestAnswer], "") + "..."
	}
	return text
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
