package configs

import (
	"net/netip"
	"slices"
	"time"
)

const (
	maxMessages = 1_000_000 // over a connection, or a minute
	maxKeepIdle = Duration(time.Minute)

	minTransactionTime = Duration(5 * time.Minute)
	maxTransactionTime = Duration(12 * time.Hour)
)

// connections judges how long connections to other servers are used.
func (k check) connections() {
	within(k, "delivery.messages_per_connection", k.c.Delivery.MessagesPerConnection, 1, maxMessages)
	within(k, "delivery.transaction_time", k.c.Delivery.TransactionTime, minTransactionTime, maxTransactionTime)
	within(k, "delivery.idle_connections", k.c.Delivery.IdleConnections, 0, maxConnections)
	within(k, "delivery.keep_idle", k.c.Delivery.KeepIdle, 0, maxKeepIdle)
}

func (k check) deliveryDomains() {
	known := map[string]string{} // names to the path of their entry
	for i := range k.c.Delivery.Domains {
		path := element("delivery.domain", i)
		if !k.ok(path) {
			continue
		}
		d := &k.c.Delivery.Domains[i]
		k.deliveryName(path, d, known)
		if !slices.ContainsFunc(
			[]string{".connections", ".messages_per_connection", ".messages_per_minute", ".source"},
			func(key string) bool { return k.has(path + key) },
		) {
			k.problem(path, "says nothing that [delivery] does not; set connections, messages_per_connection, "+
				"messages_per_minute or source")
		}
		k.deliveryLimits(path, d)
		k.deliverySource(path+".source", d.Source)
	}
}

func (k check) deliveryName(entry string, d *DeliveryDomain, known map[string]string) {
	const advice = `write "example.org", or ".example.org" for all domains below it`
	path := entry + ".name"
	if !k.given(path, d.Name, advice) {
		return
	}
	name, ok := domainPattern(d.Name)
	first, twice := known[name]
	switch {
	case d.Name == "*":
		k.problem(path, "\"*\" would be every domain, which is what [delivery] itself is for; %s", advice)
	case !ok:
		k.problem(path, "%.60q is not a domain; %s", d.Name, advice)
	case twice:
		k.problem(path, "%q has a [[delivery.domain]] already, in line %d; keep one", name, k.line(first))
	default:
		known[name] = entry
	}
	d.Name = name
}

// deliveryLimits judges the limits of a domain, and takes from [delivery] those that are left out.
func (k check) deliveryLimits(path string, d *DeliveryDomain) {
	all := &k.c.Delivery
	if p := path + ".connections"; !k.has(p) {
		d.Connections = all.ConnectionsPerDestination
	} else if within(k, p, d.Connections, 1, maxConnections); k.ok(p, "delivery.connections") && d.Connections > all.Connections {
		k.problem(p, "%d is more than connections in [delivery] (%d), which are all there are; it must not be greater",
			d.Connections, all.Connections)
	}
	if p := path + ".messages_per_connection"; k.has(p) {
		within(k, p, d.MessagesPerConnection, 1, maxMessages)
	} else {
		d.MessagesPerConnection = all.MessagesPerConnection
	}
	if p := path + ".messages_per_minute"; k.has(p) {
		within(k, p, d.MessagesPerMinute, 1, maxMessages)
	}
}

func (k check) deliverySource(path string, source []netip.Addr) {
	if k.has(path) && k.ok(path) && len(source) == 0 {
		k.problem(path, "lists no address; list addresses of this machine, or leave the key out for those in [delivery]")
	}
	for i, a := range source {
		k.source(element(path, i), a)
	}
	twice(k, path, source)
}

// sourceNames must come after the lists of addresses were judged.
func (k check) sourceNames() {
	const advice = `write the name that the address resolves to, such as "out2.example.net"`
	known := map[netip.Addr]string{} // to the path of the entry
	for i := range k.c.Delivery.SourceNames {
		entry := element("delivery.source_name", i)
		if !k.ok(entry) {
			continue
		}
		s := &k.c.Delivery.SourceNames[i]
		k.sourceNameAddress(entry, s.Address, known)
		path := entry + ".name"
		if !k.given(path, s.Name, advice) {
			continue
		}
		name, ok := domainName(s.Name)
		if !ok {
			k.problem(path, "%.60q is not a host name; %s", s.Name, advice)
		}
		s.Name = name
	}
}

func (k check) sourceNameAddress(entry string, a netip.Addr, known map[netip.Addr]string) {
	path := entry + ".address"
	first, twice := known[a]
	switch {
	case !k.ok(path):
		return
	case !k.has(path):
		k.problem(path, "is missing; write an address from a source list, such as \"192.0.2.2\"")
	case twice:
		k.problem(path, "%s has a [[delivery.source_name]] already, in line %d; keep one", a, k.line(first))
	case !k.isSource(a):
		k.problem(path, "%s is in no source list, so nothing is sent from it; add it to source in [delivery] or in a "+
			"[[delivery.domain]], or remove this entry", a)
	default:
		known[a] = entry
	}
}

// isSource reports whether mail may be sent from a. A list with a mistake in it might name a.
func (k check) isSource(a netip.Addr) bool {
	if !k.ok("delivery.source", "delivery.domain") || slices.Contains(k.c.Delivery.Source, a) {
		return true
	}
	for i, d := range k.c.Delivery.Domains {
		if !k.ok(element("delivery.domain", i)+".source") || slices.Contains(d.Source, a) {
			return true
		}
	}
	return false
}
