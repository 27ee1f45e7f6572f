package dns

import (
	"cmp"
	"context"
	"errors"
	"slices"

	miekg "github.com/miekg/dns"
)

var errNoUsableMX = errors.New("none of the MX records names a host")

// LookupMX implements [Resolver]. A domain whose MX records are all unusable (address literals) is trouble: someone
// must repair them, and to go on as if there were none would deliver to the wrong host.
func (c *Client) LookupMX(ctx context.Context, domain string) (MXAnswer, error) {
	name, ok := cleanName(domain)
	if !ok {
		return MXAnswer{}, badName(domain, miekg.TypeMX)
	}
	if isLocalhost(name) {
		return MXAnswer{}, nil
	}
	answer, err := c.resolve(ctx, name, miekg.TypeMX)
	if err != nil {
		return MXAnswer{TTL: answer.ttl}, err
	}
	hosts, null := exchangers(answer.records)
	if len(answer.records) > 0 && len(hosts) == 0 && !null {
		return MXAnswer{}, &TroubleError{Question: question(name, miekg.TypeMX), Err: errNoUsableMX}
	}
	return MXAnswer{Hosts: hosts, Null: null, Authentic: answer.authentic, TTL: answer.ttl}, nil
}

// exchangers sorts MX records and drops those that name no host. null is true if "." is all there is; beside real hosts
// it breaks RFC 7505 and counts for nothing.
func exchangers(records []miekg.RR) (hosts []MX, null bool) {
	all := make([]MX, 0, len(records))
	dots := 0
	for _, rr := range records {
		mx, ok := rr.(*miekg.MX)
		if !ok {
			continue
		}
		if mx.Mx == "." {
			dots++
		} else if host, ok := cleanName(mx.Mx); ok {
			all = append(all, MX{host, mx.Preference})
		}
	}
	if dots > 0 && dots == len(records) {
		return nil, true
	}
	slices.SortFunc(all, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
	shuffle(all)
	seen := make(map[string]bool, len(all))
	for _, mx := range all {
		if !seen[mx.Host] && len(hosts) < MaxHosts {
			seen[mx.Host] = true
			hosts = append(hosts, mx)
		}
	}
	return hosts, false
}
