package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	miekg "github.com/miekg/dns"
)

// Resolver answers what a relay wants to know. Names may have upper case and a trailing dot; internationalized names
// come in their ASCII form. Address literals are no names: to ask for one is an error. Errors are ErrNoSuchDomain or
// ErrTrouble; with ErrNoSuchDomain the answer's TTL is set and nothing else.
type Resolver interface {
	// LookupMX gives the mail exchangers of domain (RFC 5321 section 5.1).
	LookupMX(ctx context.Context, domain string) (MXAnswer, error)
	// LookupAddrs gives the addresses of host.
	LookupAddrs(ctx context.Context, host string) (AddrAnswer, error)
}

// MXAnswer is what the DNS says about the mail exchangers of a domain that exists.
type MXAnswer struct {
	Hosts     []MX // lowest preference first, equal ones shuffled, at most MaxHosts; none without Null: no MX records
	Null      bool // the domain takes no mail at all (RFC 7505)
	Authentic bool // see Options.TrustAD

	TTL time.Duration // how long all of this may be kept: the smallest TTL on the way to it, aliases included
}

// MX is one mail exchanger.
type MX struct {
	Host       string // lower case, no trailing dot
	Preference uint16
}

// AddrAnswer is what the DNS says about the addresses of a host that exists.
type AddrAnswer struct {
	Addrs     []netip.Addr // IPv4 and IPv6 in turn, at most MaxAddrs; IPv4 in IPv6 is given as IPv4; may be empty
	Authentic bool         // see Options.TrustAD

	TTL time.Duration // how long all of this may be kept: the smallest TTL on the way to it, aliases included
}

// What is kept of an answer. More is of no use to a sender that tries a few addresses an attempt, and much to an
// attacker.
const (
	MaxHosts = 20
	MaxAddrs = 20
)

const (
	defaultTimeout = 5 * time.Second
	defaultServer  = "127.0.0.1:53"
	systemServers  = "/etc/resolv.conf"
)

// Options of a Client. The zero value asks the system's servers.
type Options struct {
	Servers []string      // "192.0.2.1", "[2001:db8::1]:53"; none: those of /etc/resolv.conf, else 127.0.0.1:53
	Timeout time.Duration // for one try at one server; 0 means 5s
	TrustAD bool          // believe the servers' authentic-data bit: only if they validate and the way to them is safe
}

// Client is a Resolver that asks recursive servers over UDP, and over TCP where an answer does not fit. Each question
// goes to all servers in turn, twice, before it counts as trouble. A Client keeps no cache and may be used by many
// goroutines.
type Client struct {
	servers []string
	timeout time.Duration
	trustAD bool
	good    atomic.Uint32 // index of the server that answered last: a dead one costs its timeout once, not each time
}

// New makes a Client. It fails if a server is not an IP address, with or without a port.
func New(o Options) (*Client, error) {
	c := &Client{timeout: o.Timeout, trustAD: o.TrustAD}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	for _, s := range o.Servers {
		server, err := serverAddress(s)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, server)
	}
	if len(c.servers) == 0 {
		c.servers = serversFrom(systemServers)
	}
	return c, nil
}

// serverAddress completes an address with the port.
func serverAddress(s string) (string, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return net.JoinHostPort(a.String(), "53"), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return "", fmt.Errorf(`DNS server %q: must be like "192.0.2.1", "192.0.2.1:53" or "[2001:db8::1]:53"`, s)
	}
	return a.String(), nil
}

// serversFrom reads the name servers of a file like /etc/resolv.conf.
func serversFrom(path string) []string {
	conf, err := miekg.ClientConfigFromFile(path)
	if err != nil {
		return []string{defaultServer}
	}
	var servers []string
	for _, s := range conf.Servers {
		if a, err := netip.ParseAddr(s); err == nil {
			servers = append(servers, net.JoinHostPort(a.String(), conf.Port))
		}
	}
	if len(servers) == 0 {
		return []string{defaultServer}
	}
	return servers
}

// question is the text form of a question, for errors.
func question(name string, qtype uint16) string { return miekg.TypeToString[qtype] + " " + name }
