package configs

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

func (k check) listeners() {
	if len(k.c.Listeners) == 0 && k.ok("listener") {
		k.problem("listener", "there is none, so no mail could come in; write at least one [[listener]]")
	}
	addresses, sockets := map[netip.AddrPort]bool{}, map[string]bool{}
	for i := range k.c.Listeners {
		path := element("listener", i)
		if !k.ok(path) {
			continue
		}
		l := &k.c.Listeners[i]
		if strings.HasPrefix(l.Address, SocketPrefix) {
			k.socket(path, l, sockets)
			continue
		}
		k.listenerAddress(path+".address", l, addresses)
		k.given(path+".tls", string(l.TLS), l.TLS.allowed())
		k.given(path+".auth", string(l.Auth), l.Auth.allowed())
		k.networks(path+".networks", l.Networks, "would let a large part of the Internet relay without AUTH")
		k.networks(path+".proxy", l.Proxy, "would let a large part of the Internet claim any address")
		k.path(&l.ClientCA)
		k.listenerCombination(path, l)
	}
}

// given asks for a key that has no default, and reports whether there is a value to judge.
func (k check) given(path, value, advice string) bool {
	if value == "" && !k.has(path) && k.ok(path) {
		k.problem(path, "is missing; %s", advice)
	}
	return k.ok(path)
}

func (k check) listenerAddress(path string, l *Listener, known map[netip.AddrPort]bool) {
	const advice = `write an IP address and a port, such as "127.0.0.1:2525" or "[::1]:2525", or ":2525" for all addresses`
	if !k.given(path, l.Address, advice) {
		return
	}
	switch addr, err := parseListen(l.Address); {
	case err != nil:
		k.problem(path, "%.60q %v; %s", l.Address, err, advice)
	case known[addr] && addr.Port() != 0:
		k.problem(path, "%s is another listener's address already; give each listener its own", l.Address)
	default:
		known[addr] = true
	}
}

// parseListen reads "IP:PORT" or ":PORT". Port 0 lets the system choose. The error goes into a sentence about the text.
func parseListen(s string) (netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("is not an address and a port")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("has no port from 0 to 65535")
	}
	var addr netip.Addr
	if host != "" {
		if addr, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, fmt.Errorf("has no IP address before the port")
		}
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// networks judges a list of them. wide says what one does that is too wide.
func (k check) networks(path string, list []netip.Prefix, wide string) {
	for i, n := range list {
		at := element(path, i)
		if !k.ok(at) {
			continue
		}
		switch {
		case n.Addr().Is4In6():
			k.problem(at, "%s is IPv4 in an IPv6 form; write it as IPv4, such as \"192.0.2.0/24\"", n)
		case tooWide(n):
			k.problem(at, "%s %s; list only networks of your own: "+
				"the widest allowed are an IPv4 /8, an IPv6 /16, and fc00::/7", n, wide)
		case n != n.Masked():
			k.problem(at, "%s is an address inside a network; write %q for the network, or \"%s/%d\" for that host",
				n, n.Masked(), n.Addr(), n.Addr().BitLen())
		}
	}
	twice(k, path, list)
}

// tooWide tells networks that hold a good part of the Internet, so that listing one makes an open relay. The widest
// private networks, 10.0.0.0/8 and fc00::/7 (RFC 4193), pass; the largest blocks of public IPv6 given to one holder are
// /19.
func tooWide(n netip.Prefix) bool {
	switch a := n.Addr(); {
	case a.Is4():
		return n.Bits() < 8
	case a.IsPrivate():
		return n.Bits() < 7
	case a.IsLinkLocalUnicast():
		return n.Bits() < 10
	}
	return n.Bits() < 16
}

// listenerCombination refuses settings that contradict each other or have no effect.
func (k check) listenerCombination(path string, l *Listener) {
	tls, networks := k.ok(path+".tls"), k.ok(path+".networks")
	k.clientCA(path, l)
	switch {
	case !k.ok(path + ".auth"):
	case tls && l.TLS == TLSOff && l.Auth != AuthOff:
		k.problem(path+".auth", "auth = %q cannot work with tls = \"off\", because AUTH is never offered in clear text; "+
			"write auth = \"off\", or tls = \"starttls\" or \"implicit\"", l.Auth)
	case networks && l.Auth == AuthRequired && len(l.Networks) > 0:
		k.problem(path+".networks", "has no effect with auth = \"required\", which asks everyone to log in; "+
			"write auth = \"optional\", or leave networks out")
	case networks && l.Auth == AuthOff && len(l.Networks) == 0:
		k.problem(path+".auth", "with auth = \"off\" and no networks nobody could send; "+
			"list the networks that may, or write auth = \"optional\" or \"required\"")
	}
}

// clientCA refuses authorities that no client could come with, or need.
func (k check) clientCA(path string, l *Listener) {
	switch at := path + ".client_ca"; {
	case l.ClientCA == "" || !k.ok(at, path+".tls", path+".auth"):
	case l.TLS == TLSOff:
		k.problem(at, "has no effect with tls = \"off\", because clients show certificates in TLS only; "+
			"write tls = \"starttls\" or \"implicit\", or leave client_ca out")
	case l.Auth == AuthOff:
		k.problem(at, "has no effect with auth = \"off\", because a certificate is a way to log in; "+
			"write auth = \"optional\" or \"required\", or leave client_ca out")
	}
}
