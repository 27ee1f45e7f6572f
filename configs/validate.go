package configs

import (
	"cmp"
	"net/netip"
	"path/filepath"
	"slices"
	"time"
)

// The widest settings that make sense; beyond them a slip of the keyboard is likelier than an intention.
const (
	minMessageSize = Size(1e3)
	maxMessageSize = Size(1e9)
	maxRecipients  = 10_000
	maxConnections = 100_000
	minWait        = Duration(time.Second)
	maxLifetime    = Duration(30 * 24 * time.Hour)
	maxRetries     = 100
	minFreeSpace   = Size(1e6)
	maxFreeSpace   = Size(1e12)
)

// check judges a decoded Config, and brings names and paths in it to the form that its documentation promises. A value
// that could not be decoded is passed over: its problem is known already.
type check struct {
	*document
	c   *Config
	env surroundings
}

func (k check) all() {
	k.top()
	k.listeners()
	k.certificate()
	k.acme()
	k.path(&k.c.DKIM.Keys)
	k.accounts()
	k.limits()
	k.dnsAndDelivery()
	k.connections()
	k.deliveryDomains()
	k.sourceNames()
	k.tenants()
	k.routes()
	k.tls()
	k.notices()
	k.queue()
	k.admin()
	k.help()
}

func (k check) top() {
	k.hostname()
	if k.c.DataDir == "" && k.ok("data_dir") {
		k.problem("data_dir", "must not be empty; write the folder for queued mail, or leave the key out for the default")
	}
	k.path(&k.c.DataDir)
	if len(k.c.Languages) == 0 && k.ok("languages") {
		k.problem("languages", "must not be empty; %s, or both", English.allowed())
	}
	twice(k, "languages", k.c.Languages)
	if why := helpURLProblem(k.c.HelpURL); why != "" && k.ok("help_url") {
		k.problem("help_url", "%s", why)
	}
}

func (k check) hostname() {
	const example = `write a name such as "relay.example.net"`
	if !k.ok("hostname") {
		return
	}
	if k.c.Hostname != "" {
		name, ok := domainName(k.c.Hostname)
		if !ok {
			k.problem("hostname", "%.60q is not a host name; %s", k.c.Hostname, example)
		}
		k.c.Hostname = name
		return
	}
	machine, err := k.env.hostname()
	if err != nil {
		k.problem("hostname", "this machine's name cannot be told (%v); %s", err, example)
		return
	}
	name, ok := domainName(machine)
	if !ok {
		k.problem("hostname", "this machine's name, %.60q, is no name for a mail server; %s", machine, example)
	}
	k.c.Hostname = name
}

// path makes a file name absolute; the empty one stays.
func (k check) path(p *string) {
	if *p == "" {
		return
	}
	if !filepath.IsAbs(*p) {
		*p = filepath.Join(k.env.dir, *p)
	}
	*p = filepath.Clean(*p)
}

func (k check) limits() {
	within(k, "limits.message_size", k.c.Limits.MessageSize, minMessageSize, maxMessageSize)
	within(k, "limits.recipients", k.c.Limits.Recipients, 1, maxRecipients)
	within(k, "limits.connections", k.c.Limits.Connections, 1, maxConnections)
	k.perAddress(&k.c.Limits)
}

// perAddress lowers the default where all connections are fewer, but refuses a number of the file's own that has no effect.
func (k check) perAddress(l *Limits) {
	const path = "limits.connections_per_address"
	within(k, path, l.ConnectionsPerAddress, 1, maxConnections)
	switch {
	case !k.ok(path, "limits.connections") || l.ConnectionsPerAddress <= l.Connections:
	case k.has(path):
		k.problem(path, "connections_per_address (%d) is more than connections (%d); it must not be greater",
			l.ConnectionsPerAddress, l.Connections)
	default:
		l.ConnectionsPerAddress = l.Connections
	}
}

func (k check) dnsAndDelivery() {
	for i, server := range k.c.DNS.Servers {
		path := element("dns.servers", i)
		if a := server.Addr(); k.ok(path) && (server.Port() == 0 || a.IsUnspecified() || a.IsMulticast()) {
			k.problem(path, "%s is not the address of a server; %s", server, addrPortAdvice)
		}
	}
	twice(k, "dns.servers", k.c.DNS.Servers)
	d := &k.c.Delivery
	within(k, "delivery.port", d.Port, 1, 65535)
	for i, a := range d.Source {
		k.source(element("delivery.source", i), a)
	}
	twice(k, "delivery.source", d.Source)
	within(k, "delivery.connections", d.Connections, 1, maxConnections)
	within(k, "delivery.connections_per_destination", d.ConnectionsPerDestination, 1, maxConnections)
	const all, each = "delivery.connections", "delivery.connections_per_destination"
	if k.ok(all, each) && d.ConnectionsPerDestination > d.Connections {
		k.problem(k.either(each, all),
			"connections_per_destination (%d) is more than connections (%d); it must not be greater",
			d.ConnectionsPerDestination, d.Connections)
	}
}

func (k check) source(path string, a netip.Addr) {
	if k.ok(path) && (a.IsUnspecified() || a.IsMulticast() || a.Is4In6() || a.Zone() != "") {
		k.problem(path, "%q is not an address to send from; write an IP address of this machine, such as \"192.0.2.1\"",
			a.String())
	}
}

func (k check) queue() {
	q := &k.c.Queue
	within(k, "queue.lifetime", q.Lifetime, minWait, maxLifetime)
	if n := len(q.Retry); k.ok("queue.retry") && (n == 0 || n > maxRetries) {
		k.problem("queue.retry", "%d waits are listed; write at least one and at most %d, such as [\"5m\", \"1h\"]",
			n, maxRetries)
	}
	for i, wait := range q.Retry {
		within(k, element("queue.retry", i), wait, minWait, maxLifetime)
	}
	if k.ok("queue.lifetime", "queue.retry") && q.Lifetime <= q.Retry[0] {
		k.problem(k.either("queue.lifetime", "queue.retry"),
			"a lifetime of %s leaves no time for the first retry after %s; it must be longer", q.Lifetime, q.Retry[0])
	}
	k.delayNotices()
	k.lifetimes()
	within(k, "queue.free_space", q.FreeSpace, minFreeSpace, maxFreeSpace)
}

// either gives the first of the paths that stands in the file, to blame for a bad combination; the others are defaults.
func (k check) either(paths ...string) string {
	if i := slices.IndexFunc(paths, k.has); i >= 0 {
		return paths[i]
	}
	return paths[0]
}

// within refuses values under lo or over hi.
func within[T cmp.Ordered](k check, path string, v, lo, hi T) {
	if k.ok(path) && (v < lo || v > hi) {
		k.problem(path, "%v is out of range; write a value from %v to %v", v, lo, hi)
	}
}

// twice refuses list elements that are there already.
func twice[T comparable](k check, path string, list []T) {
	for i, v := range list {
		if k.ok(path, element(path, i)) && slices.Contains(list[:i], v) {
			k.problem(element(path, i), "%v is in the list twice; keep one", v)
			return
		}
	}
}
