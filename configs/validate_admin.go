package configs

import (
	"fmt"
	"net/netip"
)

func (k check) admin() {
	if a := k.c.Admin.Address; a != "" {
		k.webAddress("admin.address", a, `write an IP address and a port of its own, such as "127.0.0.1:8025"`)
	}
}

// warning is what an operator should know of the address; "" for nothing.
func (a *Admin) warning() string {
	at, err := parseListen(a.Address)
	if err != nil || at.Addr().Unmap().IsLoopback() {
		return ""
	}
	return fmt.Sprintf("admin.address: %s is no loopback address, and there is no password: whoever can reach it can read how much mail "+
		"there is and what becomes of it; keep others out by a firewall, or write \"127.0.0.1:%d\"", a.Address, at.Port())
}

// webAddress wants an address for HTTP that no listener has, and no table of those before.
func (k check) webAddress(path, address, advice string) {
	if !k.ok(path) {
		return
	}
	web, err := parseListen(address)
	if err != nil {
		k.problem(path, "%.60q %v; %s", address, err, advice)
		return
	}
	if owner := k.ownerOf(web, path); owner != "" {
		k.problem(path, "%s is %s already; %s", address, owner, advice)
	}
}

// ownerOf says what has an address, beside the key at path and those that are judged after it; "" for nothing.
func (k check) ownerOf(web netip.AddrPort, path string) string {
	has := func(other string) bool {
		a, err := parseListen(other)
		return err == nil && web.Port() != 0 && a == web
	}
	for _, l := range k.c.Listeners {
		if has(l.Address) {
			return "a listener's address"
		}
	}
	switch {
	case has(k.c.ACME.HTTP):
		return "the address of http in [acme]"
	case path != "admin.address" && has(k.c.Admin.Address):
		return "the address of [admin]"
	}
	return ""
}
