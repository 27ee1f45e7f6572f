//go:build linux

package system

import (
	"fmt"
	"net/netip"
	"time"
)

// Delivery says where a system sends its mail, instead of holding it. Both kinds of systems are told the same in their own words.
type Delivery struct {
	Host    netip.AddrPort // all mail goes there; not valid: it goes by domain
	Domains []Domain       // each has one host
	Port    int            // of all hosts of domains
	DNS     string         // server that knows the MX records of the domains, for those who ask: "127.0.0.1:53"
	TLS     bool           // nothing is sent without TLS 1.2 or newer; otherwise hosts offer none
	PerHost int            // connections to one host at the same time; 0: what suits the system best
	Retry   time.Duration  // between attempts
	NoProbe bool           // tlsrelay does not probe hosts
}

// Domain is a domain of recipients and the address of its MX host.
type Domain struct {
	Name    string
	Address netip.Addr
}

// seconds writes a time as all configurations understand it.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", max(1, int(d.Seconds()))) }
