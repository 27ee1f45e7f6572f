package tenant

import (
	"fmt"
	"strings"

	"tlsrelay/relay/address"
)

// senders is a list of addresses that a tenant may use.
type senders struct {
	addresses map[string]bool // lower case
	domains   map[string]bool
	parents   map[string]bool // of domains that are allowed
	list      []string        // as it was written
}

func newSenders(list []string) *senders {
	if len(list) == 0 {
		return nil
	}
	s := &senders{map[string]bool{}, map[string]bool{}, map[string]bool{}, list}
	for _, entry := range list {
		entry = strings.ToLower(entry)
		switch {
		case entry[0] == '@':
			s.domains[entry[1:]] = true
		case entry[0] == '.':
			s.parents[entry[1:]] = true
		default:
			s.addresses[entry] = true
		}
	}
	return s
}

// allow reports whether a is in the list. The case of the local part does not matter: no mail system that is in use
// tells mailboxes apart by it.
func (s *senders) allow(a address.Address) bool {
	if s == nil || s.domains[a.Domain] || s.addresses[strings.ToLower(a.String())] {
		return true
	}
	for domain, found := a.Domain, true; found && len(s.parents) > 0; {
		if _, domain, found = strings.Cut(domain, "."); found && s.parents[domain] {
			return true
		}
	}
	return false
}

// String names the first few.
func (s *senders) String() string {
	const shown = 3
	var words []string
	for _, entry := range s.list[:min(shown, len(s.list))] {
		words = append(words, short(entry))
	}
	if more := len(s.list) - shown; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, ", ")
}
