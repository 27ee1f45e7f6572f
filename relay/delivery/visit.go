package delivery

import (
	"context"
	"net/netip"
	"slices"
)

// hop is one address of a host.
type hop struct {
	host host
	addr netip.Addr
}

// ended reports whether nothing more is to be tried.
func (a *attempt) ended(ctx context.Context) bool {
	return len(a.left) == 0 || a.exhausted() || ctx.Err() != nil
}

// visit tries the addresses of a host that are not known to be dead, until no recipient is left.
func (a *attempt) visit(ctx context.Context, h host, addrs []netip.Addr) {
	addrs = slices.DeleteFunc(slices.Clone(addrs), func(addr netip.Addr) bool { return a.heard == h.at(addr) })
	for len(addrs) > 0 && !a.ended(ctx) {
		if !a.d.known.Alive(h.addrPort(addrs[0])) {
			a.resting = append(a.resting, hop{h, addrs[0]})
			addrs = addrs[1:]
			continue
		}
		addrs = a.meet(ctx, h, addrs)
	}
}

// meet connects to one of the addresses and delivers over the session that comes of it. It gives the addresses that are left.
func (a *attempt) meet(ctx context.Context, h host, addrs []netip.Addr) []netip.Addr {
	a.leave(ctx)
	for _, one := range a.race(h, addrs).run(ctx) {
		if one.beaten {
			continue
		}
		addrs = slices.DeleteFunc(addrs, func(addr netip.Addr) bool { return addr == one.addr })
		if one.conn == nil {
			a.note(a.newSession(h, one.addr).stamp(dialTrouble(one.err)))
			continue
		}
		a.reached = true
		s, t := a.begin(ctx, h, one.addr, one.conn)
		if s != nil {
			a.sessions++
			t = s.deliver(ctx)
			a.keep(ctx, s)
			if s.again {
				addrs = slices.Insert(addrs, 0, one.addr)
			}
		} else {
			t = a.investigate(h, one.addr, t)
		}
		a.note(t)
	}
	return addrs
}
