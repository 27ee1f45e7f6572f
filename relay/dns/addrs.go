package dns

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	miekg "github.com/miekg/dns"
)

// LookupAddrs implements [Resolver]. It asks for IPv4 and IPv6 addresses at the same time; if one question fails and
// the other brings addresses, those are the answer.
func (c *Client) LookupAddrs(ctx context.Context, host string) (AddrAnswer, error) {
	name, ok := cleanName(host)
	if !ok {
		return AddrAnswer{}, badName(host, miekg.TypeA)
	}
	if isLocalhost(name) {
		return AddrAnswer{Addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}}, nil
	}
	six := make(chan family, 1)
	go func() { six <- c.family(ctx, name, miekg.TypeAAAA) }()
	four := c.family(ctx, name, miekg.TypeA)
	return merge(four, <-six)
}

// family is the answer to one of the two questions.
type family struct {
	addrs     []netip.Addr
	ttl       time.Duration
	authentic bool
	err       error
}

func (c *Client) family(ctx context.Context, name string, qtype uint16) family {
	answer, err := c.resolve(ctx, name, qtype)
	return family{addresses(answer.records), answer.ttl, answer.authentic, err}
}

// addresses reads A and AAAA records.
func addresses(records []miekg.RR) []netip.Addr {
	var addrs []netip.Addr
	for _, rr := range records {
		var ip []byte
		switch rr := rr.(type) {
		case *miekg.A:
			ip = rr.A
		case *miekg.AAAA:
			ip = rr.AAAA
		}
		// Unmap: ::ffff:127.0.0.1 must meet the checks for 127.0.0.1.
		if a, ok := netip.AddrFromSlice(ip); ok && !slices.Contains(addrs, a.Unmap()) && len(addrs) < MaxAddrs {
			addrs = append(addrs, a.Unmap())
		}
	}
	return addrs
}

// merge makes one answer of two. Without any address, a question that met trouble leaves the matter open, and the name
// is known not to exist only if both answers say so: some servers deny a name that has no records of the other type.
func merge(four, six family) (AddrAnswer, error) {
	if len(four.addrs)+len(six.addrs) == 0 {
		for _, err := range []error{four.err, six.err} {
			if errors.Is(err, ErrTrouble) {
				return AddrAnswer{}, err
			}
		}
		if four.err != nil && six.err != nil {
			return AddrAnswer{TTL: min(four.ttl, six.ttl)}, four.err
		}
	}
	return AddrAnswer{
		Addrs:     inTurn(four.addrs, six.addrs),
		Authentic: (four.err != nil || four.authentic) && (six.err != nil || six.authentic),
		TTL:       mergeTTL(four, six),
	}, nil
}

// oneSided is how long addresses of one family stay alone at least, if their own TTL allows it: it is common that
// questions for the other family bring trouble or a "no" without a TTL, day after day.
const oneSided = time.Minute

// mergeTTL is how long both answers may be kept.
func mergeTTL(four, six family) time.Duration {
	switch {
	case len(four.addrs) > 0 && len(six.addrs) == 0:
		return min(four.ttl, max(six.ttl, oneSided))
	case len(four.addrs) == 0 && len(six.addrs) > 0:
		return min(six.ttl, max(four.ttl, oneSided))
	}
	return min(four.ttl, six.ttl)
}

// inTurn mixes the addresses of two families, so that neither waits for all of the other to fail.
func inTurn(four, six []netip.Addr) []netip.Addr {
	var mixed []netip.Addr
	for i := range max(len(four), len(six)) {
		for _, addrs := range [][]netip.Addr{four, six} {
			if i < len(addrs) && len(mixed) < MaxAddrs && !slices.Contains(mixed, addrs[i]) {
				mixed = append(mixed, addrs[i])
			}
		}
	}
	return mixed
}
