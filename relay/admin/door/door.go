// Package door serves HTTP to whoever can connect, within bounds: of time, of bytes, and of connections.
package door

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
	stopTime      = 3 * time.Second

	MaxHeader = 8 << 10 // bytes
)

// Options says what is served, and how many connections there may be at the same time.
type Options struct {
	Handler     http.Handler
	Connections int                   // in all
	PerClient   int                   // of one IPv4 address or IPv6 /64
	Proxy       func(netip.Addr) bool // whose clients are many: PerClient does not hold; nil: nobody is one
}

// Serve answers at l until ctx ends, gives answers under way a few seconds, and closes l. The error says that the listener broke.
func Serve(ctx context.Context, l net.Listener, o Options) error {
	server := &http.Server{
		Handler: o.Handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: MaxHeader,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // strangers' mistakes
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
	err := server.Serve(&keeper{Listener: l, bounds: o, open: map[netip.Prefix]int{}})
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

// keeper closes connections over the bounds as soon as they are there: one client that opens many must not keep the others out.
type keeper struct {
	net.Listener
	bounds Options

	mu    sync.Mutex
	open  map[netip.Prefix]int
	total int
}

// Accept implements [net.Listener].
func (k *keeper) Accept() (net.Conn, error) {
	for {
		c, err := k.Listener.Accept()
		if err != nil {
			return nil, err
		}
		var who netip.Prefix
		limit := k.bounds.Connections
		if peer, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
			a := peer.Addr().Unmap()
			if who = party.Of(a); k.bounds.Proxy == nil || !k.bounds.Proxy(a) {
				limit = k.bounds.PerClient
			}
		}
		if k.enter(who, limit) {
			return &guest{Conn: c, leave: sync.OnceFunc(func() { k.leave(who) })}, nil
		}
		c.Close()
	}
}

func (k *keeper) enter(who netip.Prefix, limit int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.total >= k.bounds.Connections || k.open[who] >= limit {
		return false
	}
	k.total++
	k.open[who]++
	return true
}

func (k *keeper) leave(who netip.Prefix) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.total--
	if k.open[who]--; k.open[who] == 0 {
		delete(k.open, who)
	}
}

// guest is a connection that the keeper let in.
type guest struct {
	net.Conn
	leave func()
}

func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}
