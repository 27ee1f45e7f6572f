// Package party says who counts as one on the network, where something is counted or bounded for each.
package party

import "net/netip"

// Of gives the party of an address: an IPv4 address alone, or the /64 of an IPv6 address, of which a single host has as many
// addresses as it likes. Addresses that are not valid are one party, the zero Prefix.
func Of(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // fails for an address that is not valid
	return p
}
