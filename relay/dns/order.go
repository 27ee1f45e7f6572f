package dns

import (
	"math/rand/v2"
	"net/netip"
	"slices"
)

// shuffle puts hosts of equal preference, which stand together, into random order: they share the load (RFC 5321
// section 5.1).
func shuffle(hosts []MX) {
	first := 0 // of those with this preference
	for i := range hosts {
		if hosts[i].Preference != hosts[first].Preference {
			first = i
		}
		j := first + rand.IntN(i-first+1)
		hosts[i], hosts[j] = hosts[j], hosts[i]
	}
}

// shuffledHosts is a copy in a new order.
func shuffledHosts(hosts []MX) []MX {
	hosts = slices.Clone(hosts)
	shuffle(hosts)
	return hosts
}

// shuffledAddrs is a copy in a new order of each family, the families in turn as before.
func shuffledAddrs(addrs []netip.Addr) []netip.Addr {
	var four, six []netip.Addr
	for _, i := range rand.Perm(len(addrs)) {
		if addrs[i].Is4() {
			four = append(four, addrs[i])
		} else {
			six = append(six, addrs[i])
		}
	}
	return inTurn(four, six)
}
