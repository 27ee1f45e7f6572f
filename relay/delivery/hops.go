package delivery

import (
	"context"
	"net/netip"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// Hop is a host that mail for a domain goes to.
type Hop struct {
	Name        string
	Port        uint16
	Preference  uint16 // of the MX record; the lower the better, 0 for a host of a route
	Routed      bool   // a route names it, no MX record
	ImplicitTLS bool   // the session starts with the handshake
	Login       bool   // the relay logs in to it
	NoMX        bool   // it is the domain itself, for want of an MX record
}

// Hops gives the hosts that mail for domain (lower case, ASCII) would go to now, in order of preference. When there are none,
// the outcome says why, as it would to the sender of a mail.
func (d *Deliverer) Hops(ctx context.Context, domain string) ([]Hop, queue.Outcome) {
	hosts, none := d.nextHops(ctx, domain)
	var hops []Hop
	for i, h := range hosts {
		if name, own := d.ownAt(ctx, hosts, i); own {
			if i == 0 {
				none = loopAt(domain, name)
			}
			break
		}
		hops = append(hops, Hop{h.name, h.port, h.preference, h.route != nil, h.implicitTLS(), h.login(), h.implicit})
	}
	return hops, none
}

// Addresses gives the addresses of a hop, those of both families mixed. When there are none, the outcome says why.
func (d *Deliverer) Addresses(ctx context.Context, hop Hop) ([]netip.Addr, queue.Outcome) {
	return d.addresses(ctx, host{name: hop.Name, implicit: hop.NoMX})
}

// Decide gives the decision for mail to domain that goes to hop.
func (d *Deliverer) Decide(domain string, hop Hop) tlspolicy.Decision {
	decision := d.opts.Policy.Decide(domain, d.opts.Now())
	if hop.Login {
		decision = decision.Authenticated()
	}
	return decision
}
