package dns

import (
	"context"
	"errors"
	"fmt"
	"strings"

	miekg "github.com/miekg/dns"
)

const maxAliases = 8 // CNAME records followed, within answers and by further look-ups together

// errContradiction is an answer that cannot be believed either way.
var errContradiction = errors.New("the answer says that the name does not exist, and has records for it")

// resolve looks up records of one type, following aliases. No records is an answer. The second result is true if all
// answers on the way were, and the servers are trusted.
func (c *Client) resolve(ctx context.Context, name string, qtype uint16) ([]miekg.RR, bool, error) {
	trouble := func(err error) error { return &TroubleError{Question: question(name, qtype), Err: err} }
	authentic := c.trustAD
	owner, left := miekg.Fqdn(name), maxAliases
	for {
		m, err := c.ask(ctx, strings.TrimSuffix(owner, "."), qtype)
		if err != nil {
			return nil, false, err
		}
		authentic = authentic && m.AuthenticatedData
		end, used := followAliases(m.Answer, owner, left)
		records := recordsOf(m.Answer, end, qtype)
		switch {
		case m.Rcode == miekg.RcodeNameError && len(records) > 0:
			return nil, false, trouble(errContradiction)
		case m.Rcode == miekg.RcodeNameError: // of the last name in the chain, RFC 6604
			return nil, false, fmt.Errorf("%s: %w", name, ErrNoSuchDomain)
		case len(records) > 0 || used == 0:
			return records, authentic, nil
		case used == left:
			return nil, false, trouble(fmt.Errorf("more than %d aliases (CNAME) in a row", maxAliases))
		}
		owner, left = end, left-used
	}
}

// followAliases goes from owner along the CNAME records of an answer, at most limit steps.
func followAliases(answer []miekg.RR, owner string, limit int) (end string, used int) {
	for used < limit {
		target := ""
		for _, rr := range answer {
			if alias, ok := rr.(*miekg.CNAME); ok && strings.EqualFold(alias.Hdr.Name, owner) {
				target = alias.Target
				break
			}
		}
		if target == "" {
			break
		}
		owner, used = target, used+1
	}
	return owner, used
}

// recordsOf picks the records of one owner and type; whatever else the answer holds was not asked for.
func recordsOf(answer []miekg.RR, owner string, qtype uint16) []miekg.RR {
	var records []miekg.RR
	for _, rr := range answer {
		h := rr.Header()
		if h.Rrtype == qtype && h.Class == miekg.ClassINET && strings.EqualFold(h.Name, owner) {
			records = append(records, rr)
		}
	}
	return records
}
