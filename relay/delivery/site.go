package delivery

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"tlsrelay/queue"
	"tlsrelay/relay/dns"
)

// Site implements [queue.Deliverer]: destinations with the same route, or with the same MX hosts in the same order, share a
// site if their TLS must be the same, too, and the same Domain, or none, says how mail goes there.
func (d *Deliverer) Site(destination string) (queue.Site, bool) {
	if route := routeFor(d.opts.Routes, destination); route != nil {
		return d.site("route "+route.Domain, destination), true
	}
	if _, literal := addressLiteral(destination); literal {
		return d.site(destination, destination), true
	}
	answer, err, known := d.opts.Resolver.KnownMX(destination)
	if !known {
		return queue.Site{}, false
	}
	return d.site(siteName(destination, answer, err), destination), true
}

// Resolve implements [queue.Deliverer]. An error of the DNS is for the attempt to tell.
func (d *Deliverer) Resolve(ctx context.Context, destination string) queue.Site {
	if s, known := d.Site(destination); known {
		return s
	}
	answer, err := d.opts.Resolver.LookupMX(ctx, destination)
	return d.site(siteName(destination, answer, err), destination)
}

func (d *Deliverer) site(name, destination string) queue.Site {
	decision := d.opts.Policy.Decide(destination, d.opts.Now())
	t := d.termsFor(destination)
	on := decision.Key()
	if t.domain != "" {
		on += ", as " + t.domain
	}
	return queue.Site{Name: name + " (" + on + ")", Workers: t.connections, PerMinute: t.perMinute}
}

// siteName is "mx1.example.net,mx2.example.net mx3.example.net": a blank stands between hosts of different preference. A destination
// without MX hosts is a site by itself.
func siteName(destination string, answer dns.MXAnswer, err error) string {
	if err != nil || len(answer.Hosts) == 0 {
		return destination
	}
	hosts := slices.Clone(answer.Hosts)
	slices.SortFunc(hosts, func(a, b dns.MX) int {
		return cmp.Or(cmp.Compare(a.Preference, b.Preference), cmp.Compare(a.Host, b.Host))
	})
	var name strings.Builder
	for i, mx := range hosts {
		switch {
		case i == 0:
		case mx.Preference == hosts[i-1].Preference:
			name.WriteByte(',')
		default:
			name.WriteByte(' ')
		}
		name.WriteString(mx.Host)
	}
	return name.String()
}

// health is what the attempt showed of the site. What only this message met, because it asks for more than others or because
// this relay was in trouble, says nothing of it. Neither does a host that takes the envelope and is silent then: more workers
// are not for a tarpit.
func (a *attempt) health(ctx context.Context) queue.Health {
	switch {
	case a.answered:
		return queue.HealthGood
	case a.spoke, ctx.Err() != nil, a.demanding, a.worst.weight == 0, a.worst.Result != queue.ResultDeferred,
		a.worst.Cause == queue.LocalTrouble.Key:
		return queue.HealthUnknown
	}
	return queue.HealthBad
}
