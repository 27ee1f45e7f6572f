package configs

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

func (k check) routes() {
	domains := map[string]bool{}
	for i := range k.c.Routes {
		path := element("route", i)
		if !k.ok(path) {
			continue
		}
		r := &k.c.Routes[i]
		k.routeDomain(path+".domain", r, domains)
		k.routeHosts(path+".hosts", r)
		if k.ok(path+".username", path+".password_file") {
			if r.Username != "" && r.PasswordFile == "" {
				k.problem(path+".username", "a user name needs a password; set password_file as well, or neither")
			}
			if r.Username == "" && r.PasswordFile != "" {
				k.problem(path+".password_file", "a password needs a user name; set username as well, or neither")
			}
		}
		k.path(&r.PasswordFile)
	}
}

func (k check) routeDomain(path string, r *Route, known map[string]bool) {
	const advice = `write "example.org", ".example.org" for all domains below it, or "*" for all that have no route`
	if !k.given(path, r.Domain, advice) {
		return
	}
	domain, ok := r.Domain, r.Domain == "*"
	if !ok {
		domain, ok = domainPattern(r.Domain)
	}
	switch {
	case !ok:
		k.problem(path, "%.60q is not a domain; %s", r.Domain, advice)
	case known[domain]:
		k.problem(path, "%q has a [[route]] already; write all its hosts into one", domain)
	}
	known[domain] = true
	r.Domain = domain
}

func (k check) routeHosts(path string, r *Route) {
	const advice = `write a host name or IP address, with a port if it is not [delivery] port: "smarthost.example.net:587"`
	if len(r.Hosts) == 0 && k.ok(path) {
		k.problem(path, "must list at least one host; %s", advice)
	}
	for i, host := range r.Hosts {
		at := element(path, i)
		if !k.ok(at) {
			continue
		}
		hostPort, ok := normalHost(host, k.c.Delivery.Port)
		if !ok {
			k.problem(at, "%.60q is not a host; %s", host, advice)
		}
		r.Hosts[i] = hostPort
	}
	twice(k, path, r.Hosts)
}

// normalHost reads "HOST", "HOST:PORT", "192.0.2.1" or "[2001:db8::1]:PORT" and gives it with its port.
func normalHost(s string, port int) (string, bool) {
	host, portText, err := net.SplitHostPort(s)
	if err != nil {
		host, portText = s, strconv.Itoa(port)
		if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
			host = s[1 : len(s)-1]
		}
	}
	n, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || n == 0 {
		return "", false
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.String()
	} else if name, ok := domainName(host); ok {
		host = name
	} else {
		return "", false
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), true
}
