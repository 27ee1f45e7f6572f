package configs

import (
	"net/url"
	"slices"
	"strings"
)

// maxACMENames is what Let's Encrypt puts in one certificate.
const maxACMENames = 100

// acme wants all that an order needs, or nothing.
func (k check) acme() {
	a := &k.c.ACME
	if len(a.Names) == 0 {
		for _, key := range []struct{ path, value string }{
			{"acme.email", a.Email}, {"acme.directory", a.Directory}, {"acme.http", a.HTTP},
		} {
			if k.ok("acme.names", key.path) && key.value != "" {
				k.problem(key.path, "has no effect without names in [acme]; list the names of the certificate")
			}
		}
		return
	}
	k.acmeNames(a.Names)
	if k.ok("acme.email") && a.Email != "" && !plainAddress(a.Email) {
		k.problem("acme.email", "%.60q is not an address; write one such as \"postmaster@example.net\"", a.Email)
	}
	if u, err := url.Parse(a.Directory); k.ok("acme.directory") && a.Directory != "" &&
		(err != nil || u.Scheme != "https" || strings.Trim(u.Hostname(), ".") == "" || u.User != nil) {
		k.problem("acme.directory", "%.60q is not the URL of a directory; write one such as \"https://acme.example.net/directory\"", a.Directory)
	}
	k.acmeHTTP(a.HTTP)
	k.acmeCombination()
}

func (k check) acmeNames(names []string) {
	if len(names) > maxACMENames && k.ok("acme.names") {
		k.problem("acme.names", "%d names are listed; a certificate has at most %d", len(names), maxACMENames)
	}
	for i := range names {
		path := element("acme.names", i)
		if !k.ok(path) {
			continue
		}
		name, ok := domainName(names[i])
		if !ok || !strings.Contains(name, ".") {
			k.problem(path, "%.60q is not a name that an authority would certify by HTTP; write one such as \"relay.example.net\"", names[i])
			continue
		}
		names[i] = name
	}
	twice(k, "acme.names", names)
}

func (k check) acmeHTTP(address string) {
	const path, advice = "acme.http", `write an address that port 80 of these names leads to, such as ":80"`
	if !k.ok(path) {
		return
	}
	if address == "" {
		k.problem(k.either(path, "acme.names"), "http in [acme] is empty, so nothing could be proved to the authority; %s", advice)
		return
	}
	http, err := parseListen(address)
	if err != nil {
		k.problem(path, "%.60q %v; %s", address, err, advice)
		return
	}
	for _, l := range k.c.Listeners {
		if mail, err := parseListen(l.Address); err == nil && mail == http && http.Port() != 0 {
			k.problem(path, "%s is a listener's address already; %s", address, advice)
		}
	}
}

// acmeCombination refuses a certificate that nobody would be shown.
func (k check) acmeCombination() {
	switch {
	case k.ok("certificate.cert", "acme.names") && k.c.Certificate.Cert != "":
		k.problem("acme.names", "[certificate] names files already, so these names would have no certificate of their own; use one of the two")
	case k.ok("listener", "acme.names") && !slices.ContainsFunc(k.c.Listeners, func(l Listener) bool { return l.TLS != TLSOff }):
		k.problem("acme.names", "no [[listener]] has TLS, so nobody would see this certificate; set tls in one, or leave names out")
	}
}

// plainAddress tells addresses that can stand in a URL as they are.
func plainAddress(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	_, ok := domainName(domain)
	return found && ok && local != "" && !strings.ContainsFunc(local, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>@[\]?&#%`, r)
	})
}
