package help

import (
	"context"
	"net"
	"net/netip"

	"tlsrelay/relay/admin/door"
)

// Connections at the same time: in all, and of one client that is no proxy.
const (
	maxConnections       = 500
	maxClientConnections = 20
)

// Serve answers at l until ctx ends, gives answers under way a few seconds, and closes l. The error says that the listener broke.
func (p *Pages) Serve(ctx context.Context, l net.Listener) error {
	return door.Serve(ctx, l, door.Options{
		Handler: p, Connections: maxConnections, PerClient: maxClientConnections,
		Proxy: func(a netip.Addr) bool { return listed(a, p.settings.Load().Proxies) },
	})
}
