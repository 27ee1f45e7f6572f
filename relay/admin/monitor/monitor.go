// Package monitor answers the operator's programs over HTTP: whether the relay is well, and its metrics. There is no password, so
// no answer tells anything of a message, or of who sends and gets mail.
package monitor

import (
	"context"
	"io"
	"net"
	"net/http"

	"tlsrelay/relay/admin/door"
)

// Connections at the same time: in all, and of one client.
const (
	maxConnections       = 100
	maxClientConnections = 20
)

// Handler answers GET of /healthz, /readyz and /metrics. unready gives a sentence that says why no mail is accepted, "" if it is.
func Handler(unready func(context.Context) string, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if why := unready(r.Context()); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ok\n")
	})
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "There is nothing here; the paths are /healthz, /readyz and /metrics.", http.StatusNotFound)
	})
	return plain(mux)
}

// plain keeps browsers from making more of an answer than text, from showing it in the page of somebody else, and from keeping it.
func plain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// Serve answers at l until ctx ends, gives answers under way a few seconds, and closes l. The error says that the listener broke.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	return door.Serve(ctx, l, door.Options{Handler: h, Connections: maxConnections, PerClient: maxClientConnections})
}
