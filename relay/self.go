package relay

import (
	"net/netip"
	"strings"

	"tlsrelay/configs"
)

// self is what a relay is called, where it takes mail, and whether it serves help pages, for all its life: a reload changes none
// of them.
type self struct {
	hostname  string
	listeners []netip.AddrPort // an unspecified address stands for all of this machine
	pages     bool             // of help
}

func selfOf(cfg *configs.Config) self {
	s := self{hostname: cfg.Hostname, pages: cfg.Help.Address != ""}
	for _, l := range cfg.Listeners {
		address := l.Address
		if strings.HasPrefix(address, ":") {
			address = "[::]" + address
		}
		if at, err := netip.ParseAddrPort(address); err == nil { // a unix socket is at no address
			s.listeners = append(s.listeners, at)
		}
	}
	return s
}
