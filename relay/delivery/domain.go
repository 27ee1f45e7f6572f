package delivery

import (
	"net/netip"
	"strings"
)

// Domain is what the operator set for one domain, or for all below one. What is zero is as in [Options].
type Domain struct {
	Name                  string // "example.org", or ".example.org" (all below it)
	Connections           int    // at once, to one site
	MessagesPerConnection int
	MessagesPerMinute     int          // to one site; 0: no limit
	Source                []netip.Addr // for each family, instead of those in Options if there is one
}

// terms is what holds for a destination: what its Domain says, and for the rest what Options say.
type terms struct {
	domain      string // name of the Domain; "" for none
	connections int    // at least 1
	messages    int    // over one connection; under 1: no limit
	perMinute   int    // 0: no limit
	v4, v6      *pool  // to send from
}

// termsOf fills in for each of the Domains what it leaves out. Those of no Domain are under "".
func termsOf(o *Options) map[string]*terms {
	all := &terms{connections: max(o.Connections, 1), messages: o.MessagesPerConnection}
	all.v4, all.v6 = newPools(o.Source)
	list := map[string]*terms{"": all}
	for i := range o.Domains {
		list[o.Domains[i].Name] = all.with(&o.Domains[i])
	}
	return list
}

// with gives the terms t as d changes them. A pool that d does not change is shared, so that all take turns in it.
func (t *terms) with(d *Domain) *terms {
	own := *t
	own.domain, own.perMinute = d.Name, d.MessagesPerMinute
	if d.Connections > 0 {
		own.connections = d.Connections
	}
	if d.MessagesPerConnection > 0 {
		own.messages = d.MessagesPerConnection
	}
	v4, v6 := newPools(d.Source)
	if v4 != nil {
		own.v4 = v4
	}
	if v6 != nil {
		own.v6 = v6
	}
	return &own
}

// domainFor gives the terms of the most specific name for a destination: its own, else that of the longest domain above it,
// else "". It is asked about each message, so it looks into the map once a label, however many Domains there are.
func domainFor(list map[string]*terms, destination string) *terms {
	if t := list[destination]; t != nil {
		return t
	}
	for above := destination; above != ""; {
		i := strings.IndexByte(above[1:], '.') // not at the start: ".example.org" is not below itself
		if i < 0 {
			break
		}
		above = above[i+1:]
		if t := list[above]; t != nil {
			return t
		}
	}
	return list[""]
}

func (d *Deliverer) termsFor(destination string) *terms { return domainFor(d.terms, destination) }
