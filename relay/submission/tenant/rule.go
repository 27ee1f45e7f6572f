package tenant

import (
	"net/netip"
	"slices"
	"strings"
)

// Rule is what one account or network may do. Either Account or Network is set.
type Rule struct {
	Account string       // "shop@example.org", "*@example.org" for all of that domain, or "*" for all
	Network netip.Prefix // of clients that send without a login

	// Senders are the addresses that may stand in envelope and From field: "user@example.org", "@example.org" for a
	// domain, ".example.org" for all domains below it, in lower case ASCII. Empty: all.
	Senders []string

	RecipientsPerHour int   // 0: no limit
	RecipientsPerDay  int   // 0: no limit
	MessageSize       int64 // bytes; 0: no limit
	Connections       int   // at once; 0: no limit
}

// ID says which tenant it is: an account in lower case, or a network.
type ID struct {
	Account string
	Network netip.Prefix
}

// String gives "account NAME" or "network PREFIX".
func (id ID) String() string {
	if id.Account != "" {
		return "account " + id.Account
	}
	return "network " + id.Network.String()
}

// rule is a Rule made ready for questions.
type rule struct {
	Rule
	senders *senders // nil: all
}

// rules finds the rule for a tenant. It does not change.
type rules struct {
	accounts map[string]*rule // by name in lower case, "*@domain" and "*" among them
	networks map[netip.Prefix]*rule
	lengths  []int // of the prefixes in networks, the longest first
}

func newRules(list []Rule) *rules {
	if len(list) == 0 {
		return nil
	}
	r := &rules{accounts: map[string]*rule{}, networks: map[netip.Prefix]*rule{}}
	for _, one := range list {
		compiled := &rule{one, newSenders(one.Senders)}
		if one.Account != "" {
			r.accounts[strings.ToLower(one.Account)] = compiled
			continue
		}
		r.networks[one.Network.Masked()] = compiled
		r.lengths = append(r.lengths, one.Network.Bits())
	}
	slices.Sort(r.lengths)
	r.lengths = slices.Compact(r.lengths)
	slices.Reverse(r.lengths)
	return r
}

// find gives the rule for a client that is logged in as account, or not at all, and the tenant that it is. There may be
// none.
func (r *rules) find(account string, client netip.Addr) (*rule, ID) {
	switch {
	case r == nil:
		return nil, ID{}
	case account == "":
		return r.ofClient(client)
	}
	name := strings.ToLower(account)
	keys := []string{name, "*"}
	if at := strings.LastIndexByte(name, '@'); at >= 0 {
		keys = []string{name, "*" + name[at:], "*"}
	}
	for _, key := range keys {
		if found := r.accounts[key]; found != nil {
			return found, ID{Account: name}
		}
	}
	return nil, ID{}
}

func (r *rules) ofClient(client netip.Addr) (*rule, ID) {
	for _, bits := range r.lengths {
		p, err := client.Prefix(bits)
		if err != nil { // too long for IPv4, or no address at all
			continue
		}
		if found := r.networks[p]; found != nil {
			return found, ID{Network: p}
		}
	}
	return nil, ID{}
}

// of gives the rule that holds for a tenant.
func (r *rules) of(id ID) *rule {
	if r == nil {
		return nil
	}
	if id.Account == "" {
		return r.networks[id.Network]
	}
	found, _ := r.find(id.Account, netip.Addr{})
	return found
}
