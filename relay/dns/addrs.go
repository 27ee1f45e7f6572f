package dns

import (
	"context"
	"errors"
	"net/netip"
	"slices"

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
	authentic bool
	err       error
}

func (c *Client) family(ctx context.Context, name string, qtype uint16) family {
	records, authentic, err := c.resolve(ctx, name, qtype)
	return family{addresses(records), authentic, err}
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
			return AddrAnswer{}, four.err
		}
	}
	answer := AddrAnswer{
		Authentic: (four.err != nil || four.authentic) && (six.err != nil || six.authentic),
	}
	for i := range max(len(four.addrs), len(six.addrs)) {
		for _, addrs := range [][]netip.Addr{four.addrs, six.addrs} {
			if i < len(addrs) && len(answer.Addrs) < MaxAddrs && !slices.Contains(answer.Addrs, addrs[i]) {
				answer.Addrs = append(answer.Addrs, addrs[i])
			}
		}
	}
	return answer, nil
}
