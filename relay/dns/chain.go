package dns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	miekg "github.com/miekg/dns"
)

const maxAliases = 8 // CNAME records followed, within answers and by further look-ups together

// errContradiction is an answer that cannot be believed either way.
var errContradiction = errors.New("the answer says that the name does not exist, and has records for it")

// found is the end of a chain of aliases.
type found struct {
	records   []miekg.RR // none is an answer
	ttl       time.Duration
	authentic bool // all answers on the way were, and the servers are trusted
}

// resolve looks up records of one type, following aliases. With ErrNoSuchDomain the ttl is set, too.
func (c *Client) resolve(ctx context.Context, name string, qtype uint16) (found, error) {
	trouble := func(err error) error { return &TroubleError{Question: question(name, qtype), Err: err} }
	authentic, ttl := c.trustAD, longest
	owner, left := miekg.Fqdn(name), maxAliases
	for {
		m, err := c.ask(ctx, strings.TrimSuffix(owner, "."), qtype)
		if err != nil {
			return found{}, err
		}
		authentic = authentic && m.AuthenticatedData
		end, aliases := followAliases(m.Answer, owner, left)
		ttl = min(ttl, leastTTL(aliases))
		records := recordsOf(m.Answer, end, qtype)
		switch {
		case m.Rcode == miekg.RcodeNameError && len(records) > 0:
			return found{}, trouble(errContradiction)
		case m.Rcode == miekg.RcodeNameError: // of the last name in the chain, RFC 6604
			return found{ttl: min(ttl, denialTTL(m.Ns))}, fmt.Errorf("%s: %w", name, ErrNoSuchDomain)
		case len(records) > 0:
			return found{records, min(ttl, leastTTL(records)), authentic}, nil
		case len(aliases) == 0:
			return found{nil, min(ttl, denialTTL(m.Ns)), authentic}, nil
		case len(aliases) == left:
			return found{}, trouble(fmt.Errorf("more than %d aliases (CNAME) in a row", maxAliases))
		}
		owner, left = end, left-len(aliases)
	}
}

// followAliases goes from owner along the CNAME records of an answer, at most limit steps.
func followAliases(answer []miekg.RR, owner string, limit int) (end string, used []miekg.RR) {
	for len(used) < limit {
		alias := aliasOf(answer, owner)
		if alias == nil {
			break
		}
		owner, used = alias.Target, append(used, alias)
	}
	return owner, used
}

func aliasOf(answer []miekg.RR, owner string) *miekg.CNAME {
	for _, rr := range answer {
		if alias, ok := rr.(*miekg.CNAME); ok && strings.EqualFold(alias.Hdr.Name, owner) {
			return alias
		}
	}
	return nil
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
