package help

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"tlsrelay/relay/party"
)

// clientOf gives who counts as the client of a request: an IPv4 address or an IPv6 /64, of which one host has as many addresses as
// it likes. Where the request comes from one of the proxies, X-Forwarded-For is read from its end, where the proxy nearest to us
// wrote, up to the first address that is none of them: what stands before that, anyone may have written.
func clientOf(r *http.Request, proxies []netip.Prefix) netip.Prefix {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{} // all such are one client
	}
	client := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && listed(client, proxies); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = hop.Unmap()
	}
	return party.Of(client)
}

func listed(a netip.Addr, list []netip.Prefix) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a.WithZone("")) })
}
