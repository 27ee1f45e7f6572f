package notice

import (
	"strings"

	"golang.org/x/net/idna"

	"tlsrelay/queue"
)

// Sender is how notices to some senders are written. Either Domain or Account is set.
type Sender struct {
	Domain    string   // of the address, lower case and ASCII: "example.org", or ".example.org" for all domains below it
	Account   string   // that handed the message in; its case does not matter
	Languages []string // none: as in the Composer
	HelpURL   string   // "": as in the Composer
}

// forSender is the composer for the sender of an item: an entry for the account counts before one for the domain, the longest
// domain that fits before others, and no other entry.
func (c Composer) forSender(item *queue.Item) Composer {
	domain := senderDomain(item.Sender)
	var best Sender
	rank := 0
	for _, s := range c.Senders {
		if r := s.rank(item.Account, domain); r > rank {
			best, rank = s, r
		}
	}
	if len(best.Languages) > 0 {
		c.Languages = best.Languages
	}
	if best.HelpURL != "" {
		c.HelpURL = best.HelpURL
	}
	return c
}

// rank says how specific an entry is for an account and a domain, 0 that it is for others.
func (s Sender) rank(account, domain string) int {
	const ofAccount, ofDomain = 1000, 500 // over the length of any domain
	switch {
	case s.Account != "":
		if strings.EqualFold(s.Account, account) {
			return ofAccount
		}
	case s.Domain == "":
	case s.Domain == domain:
		return ofDomain
	case s.Domain[0] == '.' && strings.HasSuffix(domain, s.Domain):
		return len(s.Domain)
	}
	return 0
}

// senderDomain is the domain of an address in lower case and ASCII.
func senderDomain(address string) string {
	domain := queue.DestinationOf(address)
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return domain
}
