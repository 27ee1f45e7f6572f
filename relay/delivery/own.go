package delivery

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tlsrelay/queue"
)

// Mail must not go to an MX host that is this relay itself, nor to one that is no better (RFC 5321 section 5.1): it would come
// back, be counted, and be bounced after fifty rounds. A host is the relay if it has its name (hosts.go), or if an address of
// it is one at which the relay takes mail.
//
// An address of this machine alone is not enough, on whatever port: what answers there may be the mail server of the domain, as
// on a hosting server that sends through this relay and has another program for mail that comes in. To call that a loop would
// bounce good mail. A loop by way of another program is left to the count of Received lines.

// interfacesAge is for how long the addresses of this machine are believed.
const interfacesAge = time.Minute

// own knows where this relay takes mail.
type own struct {
	listeners  []netip.AddrPort // an unspecified address stands for all of this machine
	interfaces func() ([]net.Addr, error)
	now        func() time.Time

	mu    sync.Mutex
	addrs map[netip.Addr]bool // of this machine
	read  time.Time
}

// on reports whether the relay takes mail on a port, of whatever address.
func (o *own) on(port uint16) bool {
	for _, l := range o.listeners {
		if l.Port() == port {
			return true
		}
	}
	return false
}

// takesMail reports whether it is this relay that answers at an address. Loopback addresses must be listed by themselves: on a
// machine on which everything is tried out, all of them are its own.
func (o *own) takesMail(addr netip.Addr, port uint16) bool {
	addr = addr.Unmap().WithZone("")
	for _, l := range o.listeners {
		switch at := l.Addr(); {
		case l.Port() != port:
		case at.Unmap() == addr:
			return true
		case at.IsUnspecified() && (at.Is6() || addr.Is4()) && !addr.IsLoopback() && o.machine(addr):
			return true
		}
	}
	return false
}

// machine reports whether an address is this machine's. If that cannot be found out, what was so before still counts.
func (o *own) machine(addr netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := o.now(); o.read.IsZero() || now.Sub(o.read).Abs() >= interfacesAge {
		o.read = now
		if list, err := o.interfaces(); err == nil {
			o.addrs = make(map[netip.Addr]bool, len(list))
			for _, a := range list {
				if p, err := netip.ParsePrefix(a.String()); err == nil {
					o.addrs[p.Addr().Unmap()] = true
				}
			}
		}
	}
	return o.addrs[addr]
}

// comesBack reports whether mail must not go to the i-th host, nor to those behind it, because one of the same preference is this
// relay. If no host is better the attempt has failed.
func (a *attempt) comesBack(ctx context.Context, hosts []host, i int) bool {
	name, found := a.d.ownAt(ctx, hosts, i)
	if found && i == 0 {
		a.note(trouble{Outcome: loopAt(a.job.Destination(), name), weight: weightFinal})
	}
	return found
}

// ownAt finds this relay among the hosts of the preference that begins with the i-th, if one does.
func (d *Deliverer) ownAt(ctx context.Context, hosts []host, i int) (name string, found bool) {
	if hosts[i].route != nil || i > 0 && hosts[i].preference == hosts[i-1].preference {
		return "", false
	}
	return d.ownHost(ctx, hosts[i:])
}

// ownHost finds this relay among the hosts of the best preference. They are looked up together, dns.MaxHosts at most: a dead name
// server of one must not hold up mail for the others.
func (d *Deliverer) ownHost(ctx context.Context, hosts []host) (name string, found bool) {
	if !d.own.on(hosts[0].port) {
		return "", false
	}
	worse := func(h host) bool { return h.preference != hosts[0].preference }
	if end := slices.IndexFunc(hosts, worse); end >= 0 {
		hosts = hosts[:end]
	}
	own := make([]bool, len(hosts))
	var lookups sync.WaitGroup
	for i, h := range hosts {
		lookups.Go(func() { own[i] = d.isOwn(ctx, h) })
	}
	lookups.Wait()
	if i := slices.Index(own, true); i >= 0 {
		return hosts[i].name, true
	}
	return "", false
}

// isOwn reports whether mail for a host would come to this relay. An address that is refused does not count, though the relay
// may have the same: every private network has a 10.0.0.5, and a stranger's MX record that names it may be mended.
func (d *Deliverer) isOwn(ctx context.Context, h host) bool {
	addrs, _ := d.addresses(ctx, h) // from memory when it is the host's turn
	return slices.ContainsFunc(addrs, func(addr netip.Addr) bool {
		return (d.opts.PrivateAddresses || public(addr)) && d.own.takesMail(addr, h.port)
	})
}

// loop is the outcome when there is no host that is better than this relay.
func loop(domain, why string) queue.Outcome {
	return failed(queue.Loop, queue.StageDNS, "mail for "+domain+" would come back to this relay: "+why)
}

func loopAt(domain, host string) queue.Outcome {
	return loop(domain, "its best host "+host+" is this relay itself")
}
