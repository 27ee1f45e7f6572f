package delivery

import (
	"net"
	"strconv"
	"strings"
)

// Route sends mail for a domain to hosts of the operator's choice instead of its MX hosts.
type Route struct {
	Domain   string   // "example.org", ".example.org" (all below it) or "*" (everything)
	Hosts    []string // "host:port", tried in this order
	Username string   // "" for no AUTH
	Password string
}

// portImplicitTLS is the port on which TLS starts without STARTTLS (RFC 8314 section 7.3).
const portImplicitTLS = 465

// Routed reports whether mail for a destination goes to hosts of the operator's choice.
func (d *Deliverer) Routed(destination string) bool {
	return routeFor(d.opts.Routes, destination) != nil
}

// routeFor gives the most specific route for a domain: the name itself, else the longest parent, else "*".
func routeFor(routes []Route, domain string) *Route {
	var best *Route
	for i := range routes {
		if r := &routes[i]; r.matches(domain) && (best == nil || r.weight() > best.weight()) {
			best = r
		}
	}
	return best
}

func (r *Route) matches(domain string) bool {
	switch {
	case r.Domain == "*":
		return true
	case strings.HasPrefix(r.Domain, "."):
		return strings.HasSuffix(domain, r.Domain)
	}
	return domain == r.Domain
}

func (r *Route) weight() int {
	if r.Domain == "*" {
		return 0
	}
	return len(r.Domain)
}

// hosts gives the route's hosts; one that does not parse was refused with the configuration.
func (r *Route) hosts() []host {
	var hosts []host
	for _, hp := range r.Hosts {
		name, port, err := net.SplitHostPort(hp)
		if err != nil {
			continue
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			continue
		}
		hosts = append(hosts, host{name: strings.ToLower(name), port: uint16(n), route: r})
	}
	return hosts
}
