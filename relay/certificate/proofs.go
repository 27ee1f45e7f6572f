package certificate

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// proofs answers the authority's requests for HTTP-01 (RFC 8555, 8.3), and everything else with 404.
type proofs struct {
	mu     sync.Mutex
	byPath map[string]string
}

func (p *proofs) set(path, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byPath == nil {
		p.byPath = map[string]string{}
	}
	p.byPath[path] = text
}

func (p *proofs) remove(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byPath, path)
}

func (p *proofs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	text, found := p.byPath[r.URL.Path]
	p.mu.Unlock()
	if !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	io.WriteString(w, text)
}

// Bounds of the server, which anyone can reach.
const (
	proofConnections = 50
	proofTimeout     = 10 * time.Second
	proofHeader      = 8 << 10 // bytes
)

// serve answers until ctx ends.
func (p *proofs) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: p, ReadTimeout: proofTimeout, WriteTimeout: proofTimeout, MaxHeaderBytes: proofHeader,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // strangers' mistakes
	}
	server.SetKeepAlivesEnabled(false)
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(netutil.LimitListener(l, proofConnections)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
