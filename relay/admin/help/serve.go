package help

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"tlsrelay/relay/party"
)

// Bounds of a connection that anyone can open.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 20 * time.Second
	idleTimeout   = 20 * time.Second
	maxHeader     = 8 << 10 // bytes
	stopTime      = 3 * time.Second
)

// Connections at the same time: in all, and of one client that is no proxy.
const (
	maxConnections       = 500
	maxClientConnections = 20
)

// Serve answers at l until ctx ends, gives answers under way a few seconds, and closes l. The error says that the listener broke.
func (p *Pages) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: p, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // strangers' mistakes
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		soon, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if server.Shutdown(soon) != nil {
			server.Close()
		}
	})
	err := server.Serve(&doorkeeper{Listener: l, pages: p, open: map[netip.Prefix]int{}})
	if stop() {
		server.Close()
	} else {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// doorkeeper closes connections over the bounds as soon as they are there: one client that opens many must not keep the
// others out.
type doorkeeper struct {
	net.Listener
	pages *Pages

	mu    sync.Mutex
	open  map[netip.Prefix]int
	total int
}

// Accept implements [net.Listener].
func (d *doorkeeper) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		var who netip.Prefix
		limit := maxConnections
		if peer, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
			a := peer.Addr().Unmap()
			if who = party.Of(a); !listed(a, d.pages.settings.Load().Proxies) {
				limit = maxClientConnections
			}
		}
		if d.enter(who, limit) {
			return &guest{Conn: c, leave: sync.OnceFunc(func() { d.leave(who) })}, nil
		}
		c.Close()
	}
}

func (d *doorkeeper) enter(who netip.Prefix, limit int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.total >= maxConnections || d.open[who] >= limit {
		return false
	}
	d.total++
	d.open[who]++
	return true
}

func (d *doorkeeper) leave(who netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total--
	if d.open[who]--; d.open[who] == 0 {
		delete(d.open, who)
	}
}

// guest is a connection that the doorkeeper let in.
type guest struct {
	net.Conn
	leave func()
}

func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}
