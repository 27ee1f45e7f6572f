package delivery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// errNotPublic is why an MX host's address was not connected to.
var errNotPublic = errors.New("the address is not on the public Internet")

// dial connects to one address of a host, for mail to destination. Where MX records may lead is checked on the very socket, so
// that nothing between look-up and connect can change it; a route is the operator's own word and may lead anywhere.
func (d *Deliverer) dial(ctx context.Context, destination string, h host, addr netip.Addr) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectTimeout, KeepAlive: -1}
	if h.route == nil && !d.opts.PrivateAddresses {
		dialer.Control = refuseNotPublic
	}
	if source, ok := d.sourceFor(destination, addr); ok {
		sendFrom(&dialer, source)
	}
	return d.opts.Connect(ctx, &dialer, netip.AddrPortFrom(addr, h.port).String())
}

func dialTCP(ctx context.Context, d *net.Dialer, address string) (net.Conn, error) {
	return d.DialContext(ctx, "tcp", address)
}

func refuseNotPublic(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, errNotPublic)
	}
	if !public(ap.Addr()) {
		return fmt.Errorf("%s: %w", ap.Addr(), errNotPublic)
	}
	return nil
}

// notPublic lists what the IANA special-purpose registries (RFC 6890) keep from being reachable on the public Internet, and
// the IPv6 ranges that carry an IPv4 address inside, which may be any of them.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16", "3fff::/20",
	"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(list ...string) []netip.Prefix {
	var p []netip.Prefix
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

// public reports whether an address can belong to a host on the public Internet.
func public(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return addr.IsValid() && !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(addr) })
}
