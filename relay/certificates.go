package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"path/filepath"
	"time"

	"tlsrelay/configs"
	"tlsrelay/relay/certificate"
)

// certificates is where the listeners' certificates come from. One that is an io.Closer holds what Run would give back.
type certificates interface {
	Get(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Run(context.Context) error // looks after them until the context ends
	Expires() time.Time        // of those that are shown, when the first one does
}

func certificatesOf(cfg *configs.Config, log *slog.Logger) (certificates, error) {
	c := &cfg.Certificate
	switch {
	case len(cfg.ACME.Names) > 0:
		return acmeOf(cfg, log)
	case c.Cert == "":
		return certificate.SelfSigned(cfg.DataDir, cfg.Hostname, log)
	}
	files := []certificate.Files{{Cert: c.Cert, Key: c.Key}}
	for _, m := range c.More {
		files = append(files, certificate.Files{Cert: m.Cert, Key: m.Key})
	}
	return certificate.FromFiles(log, files...)
}

// acmeOf shows a self-signed certificate until there is a better one, which is nothing to warn of.
func acmeOf(cfg *configs.Config, log *slog.Logger) (*certificate.ACME, error) {
	fallback, err := certificate.SelfSigned(cfg.DataDir, cfg.Hostname, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return certificate.NewACME(certificate.ACMEOptions{
		Names: cfg.ACME.Names, Email: cfg.ACME.Email, Directory: cfg.ACME.Directory, HTTP: cfg.ACME.HTTP,
		Dir: filepath.Join(cfg.DataDir, "acme"), Fallback: fallback, Log: log,
	})
}

// clientAuthorities gives the authorities of each client_ca file that a listener names; none for the empty name.
func clientAuthorities(cfg *configs.Config, log *slog.Logger) (map[string]func() *x509.CertPool, error) {
	pools := map[string]func() *x509.CertPool{}
	for _, l := range cfg.Listeners {
		if l.ClientCA == "" || pools[l.ClientCA] != nil {
			continue
		}
		a, err := certificate.NewAuthorities(l.ClientCA, log)
		if err != nil {
			return nil, err
		}
		pools[l.ClientCA] = a.Pool
	}
	return pools, nil
}
