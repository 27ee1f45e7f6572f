package delivery

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"tlsrelay/queue"
	"tlsrelay/relay/dns"
	"tlsrelay/tlspolicy"
)

// host is one next hop.
type host struct {
	name       string
	port       uint16
	route      *Route // nil for an MX host
	preference uint16 // of the MX record; the lower the better
	implicit   bool   // the domain itself, for want of an MX record
	unproven   bool   // named by DNS that is not signed: it may be anyone's
}

// implicitTLS reports whether the session starts with the handshake.
func (h host) implicitTLS() bool { return h.route != nil && h.port == portImplicitTLS }

// at names one of its addresses, with the port.
func (h host) at(addr netip.Addr) string { return netip.AddrPortFrom(addr, h.port).String() }

// addrPort is the name under which one of its addresses is remembered.
func (h host) addrPort(addr netip.Addr) netip.AddrPort {
	return netip.AddrPortFrom(addr.Unmap(), h.port)
}

// login reports whether the relay logs in to the host.
func (h host) login() bool { return h.route != nil && h.route.Username != "" }

// asks is what the decision for a destination asks of the host: where the relay logs in, its certificate must be valid.
func (h host) asks(d tlspolicy.Decision) tlspolicy.Decision {
	if h.login() {
		return d.Authenticated()
	}
	return d
}

// nextHops finds the hosts for a domain in order of preference (RFC 5321 section 5.1). When there are none, the outcome
// says why.
func (d *Deliverer) nextHops(ctx context.Context, domain string) ([]host, queue.Outcome) {
	if route := routeFor(d.opts.Routes, domain); route != nil {
		return route.hosts(), queue.Outcome{}
	}
	if literal, ok := addressLiteral(domain); ok {
		if !d.opts.PrivateAddresses && !public(literal) { // no DNS record that might be mended: the sender wrote it
			o := failed(queue.AddressRefused, queue.StageConnect, errNotPublic.Error())
			o.Status = "5.4.4"
			return nil, o
		}
		return []host{{name: literal.String(), port: d.opts.Port}}, queue.Outcome{}
	}
	answer, err := d.opts.Resolver.LookupMX(ctx, domain)
	switch {
	case errors.Is(err, dns.ErrNoSuchDomain):
		return nil, failed(queue.NoSuchDomain, queue.StageDNS, "the domain "+domain+" does not exist")
	case err != nil:
		return nil, deferred(queue.DNSTrouble, queue.StageDNS, err.Error())
	case answer.Null:
		return nil, failed(queue.NullMX, queue.StageDNS, "the domain "+domain+" says that it accepts no mail (null MX)")
	}
	records, implicit := answer.Hosts, len(answer.Hosts) == 0
	if implicit {
		records = []dns.MX{{Host: domain}}
	}
	hosts := d.mxHosts(records, implicit, !answer.Authentic)
	if len(hosts) == 0 {
		return nil, loop(domain, "it is the best MX itself")
	}
	return hosts, queue.Outcome{}
}

// mxHosts takes the MX records sorted by preference up to this relay itself: mail must not go to a host that is no better
// (RFC 5321 section 5.1).
func (d *Deliverer) mxHosts(records []dns.MX, implicit, unproven bool) []host {
	var hosts []host
	own := len(records)
	for i, mx := range records {
		if strings.EqualFold(mx.Host, d.opts.Hostname) {
			own = i
			break
		}
	}
	for _, mx := range records {
		if own < len(records) && mx.Preference >= records[own].Preference {
			break
		}
		hosts = append(hosts, host{name: mx.Host, port: d.opts.Port, preference: mx.Preference, implicit: implicit, unproven: unproven})
	}
	return hosts
}

// addresses gives the host's addresses, those of both families mixed as the resolver has them.
func (d *Deliverer) addresses(ctx context.Context, h host) ([]netip.Addr, queue.Outcome) {
	if addr, err := netip.ParseAddr(h.name); err == nil {
		return []netip.Addr{addr}, queue.Outcome{}
	}
	answer, err := d.opts.Resolver.LookupAddrs(ctx, h.name)
	switch {
	case errors.Is(err, dns.ErrNoSuchDomain):
		// The domain exists, its host does not: the MX record may be mended.
		return nil, deferred(queue.DNSTrouble, queue.StageDNS, "the host "+h.name+" does not exist")
	case err != nil:
		return nil, deferred(queue.DNSTrouble, queue.StageDNS, err.Error())
	case len(answer.Addrs) == 0 && h.implicit:
		return nil, failed(queue.NoMailHost, queue.StageDNS, "the domain "+h.name+" has neither MX nor address records")
	case len(answer.Addrs) == 0:
		return nil, deferred(queue.DNSTrouble, queue.StageDNS, "the host "+h.name+" has no address")
	}
	return answer.Addrs, queue.Outcome{}
}

// addressLiteral reads "[192.0.2.1]" and "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3).
func addressLiteral(domain string) (netip.Addr, bool) {
	inner, ok := strings.CutPrefix(domain, "[")
	if !ok {
		return netip.Addr{}, false
	}
	inner, ok = strings.CutSuffix(inner, "]")
	if !ok {
		return netip.Addr{}, false
	}
	if v6, isV6 := strings.CutPrefix(strings.ToLower(inner), "ipv6:"); isV6 {
		inner = v6
	}
	addr, err := netip.ParseAddr(inner)
	return addr, err == nil
}
