package configs

import (
	"net/netip"
	"strings"
	"unicode"
)

// maxTenantRecipients is a limit above which a slip of the keyboard is likelier than an intention.
const maxTenantRecipients = 100_000_000

func (k check) tenants() {
	accounts, networks := map[string]string{}, map[netip.Prefix]string{} // to the path of the entry
	for i := range k.c.Tenants {
		path := element("tenant", i)
		if !k.ok(path) {
			continue
		}
		t := &k.c.Tenants[i]
		switch account, network := k.has(path+".account"), k.has(path+".network"); {
		case account && network:
			k.problem(path+".network", "this entry has an account already; write a [[tenant]] for each of them")
		case account:
			k.tenantAccount(path+".account", t.Account, accounts)
		case network:
			k.tenantNetwork(path+".network", t.Network, networks)
		default:
			k.problem(path, `is for nobody; write account = "shop@example.org", "*@example.org" or "*", or network = "10.1.0.0/16"`)
		}
		k.senders(path+".senders", t)
		k.tenantLimits(path, t)
	}
}

func (k check) tenantAccount(path, account string, known map[string]string) {
	const advice = `write the name of an account, "*@example.org" for all accounts of a domain, or "*" for all`
	if !k.ok(path) {
		return
	}
	rest, all := strings.CutPrefix(account, "*@")
	if _, isDomain := domainName(rest); all && !isDomain {
		k.problem(path, "%.60q has no domain after the @; %s", account, advice)
		return
	}
	if account != "*" && (strings.Contains(rest, "*") || rest == "" || len(account) > 255 || strings.Contains(rest, ":") ||
		strings.TrimSpace(account) != account) {
		k.problem(path, "%.60q can be no account; %s", account, advice)
		return
	}
	if first, twice := known[strings.ToLower(account)]; twice {
		k.problem(path, "%q has a [[tenant]] already, in line %d; keep one", account, k.line(first))
		return
	}
	known[strings.ToLower(account)] = path
}

func (k check) tenantNetwork(path string, n netip.Prefix, known map[netip.Prefix]string) {
	if !k.ok(path) {
		return
	}
	first, twice := known[n]
	switch {
	case n.Addr().Is4In6():
		k.problem(path, "%s is IPv4 in an IPv6 form; write it as IPv4, such as \"192.0.2.0/24\"", n)
	case n != n.Masked():
		k.problem(path, "%s is an address inside a network; write %q for the network, or \"%s/%d\" for that host",
			n, n.Masked(), n.Addr(), n.Addr().BitLen())
	case twice:
		k.problem(path, "%s has a [[tenant]] already, in line %d; keep one", n, k.line(first))
	case k.ok("listener") && !k.mayRelay(n):
		k.problem(path, "has no effect, since no [[listener]] lets clients of %s send without a login; "+
			"add the network to one, or write account instead", n)
	default:
		known[n] = path
	}
}

// mayRelay reports whether a client of n may send without a login anywhere.
func (k check) mayRelay(n netip.Prefix) bool {
	for _, l := range k.c.Listeners {
		for _, listed := range l.Networks {
			if listed.Overlaps(n) {
				return true
			}
		}
	}
	return false
}

func (k check) senders(path string, t *Tenant) {
	if k.has(path) && k.ok(path) && len(t.Senders) == 0 {
		k.problem(path, "lists nobody, so nothing could be sent; list addresses and domains, or leave the key out to allow any")
	}
	for i, s := range t.Senders {
		at := element(path, i)
		if !k.ok(at) {
			continue
		}
		normal, ok := senderPattern(s)
		if !ok {
			k.problem(at, `%.60q is no sender; write "user@example.org", "@example.org" for all of that domain, or `+
				`".example.org" for all domains below it`, s)
		}
		t.Senders[i] = normal
	}
	twice(k, path, t.Senders)
}

// senderPattern brings an address, "@domain" or ".domain" to lower case, and the domain to ASCII.
func senderPattern(s string) (string, bool) {
	if strings.HasPrefix(s, ".") {
		return domainPattern(s)
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 || at > 64 {
		return "", false
	}
	local := s[:at]
	strange := func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("*@\"()<>[]:;,\\", r) }
	domain, ok := domainName(s[at+1:])
	return strings.ToLower(local) + "@" + domain, ok && !strings.ContainsFunc(local, strange)
}

func (k check) tenantLimits(path string, t *Tenant) {
	hour, day := path+".recipients_per_hour", path+".recipients_per_day"
	within(k, hour, t.RecipientsPerHour, 0, maxTenantRecipients)
	within(k, day, t.RecipientsPerDay, 0, maxTenantRecipients)
	if k.ok(hour, day) && t.RecipientsPerDay > 0 && t.RecipientsPerHour > t.RecipientsPerDay {
		k.problem(hour, "%d an hour have no effect with recipients_per_day = %d; write less, or leave it out",
			t.RecipientsPerHour, t.RecipientsPerDay)
	}
	if size := path + ".message_size"; k.has(size) && k.ok("limits.message_size") {
		within(k, size, t.MessageSize, minMessageSize, k.c.Limits.MessageSize)
	}
	if k.ok("limits.connections") {
		within(k, path+".connections", t.Connections, 0, k.c.Limits.Connections)
	}
}
