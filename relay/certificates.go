package relay

import (
	"context"
	"crypto/tls"
	"log/slog"

	"tlsrelay/configs"
	"tlsrelay/relay/certificate"
)

// certificates is where the listeners' certificates come from.
type certificates interface {
	Get(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Run(context.Context) error // looks after them until the context ends
}

func certificatesOf(cfg *configs.Config, log *slog.Logger) (certificates, error) {
	c := &cfg.Certificate
	if c.Cert == "" {
		return certificate.SelfSigned(cfg.DataDir, cfg.Hostname, log)
	}
	files := []certificate.Files{{Cert: c.Cert, Key: c.Key}}
	for _, m := range c.More {
		files = append(files, certificate.Files{Cert: m.Cert, Key: m.Key})
	}
	return certificate.FromFiles(log, files...)
}
