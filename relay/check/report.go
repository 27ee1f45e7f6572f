package check

import (
	"net/netip"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// Bounds of what is asked about one target. What is over is counted, and said.
const (
	maxHosts     = 10
	maxAddresses = 4 // of one host
)

// Report is what was found out about one target.
type Report struct {
	Target Target
	Time   time.Time // when it was complete
	Level  tlspolicy.Level
	Floor  tlspolicy.Version
	Routed bool // a route of the configuration names the hosts of the domain

	None    queue.Outcome // why there are no hosts, as for a mail; zero when there are
	Hosts   []Host        // in the order in which mail tries them
	LeftOut int           // hosts that were not asked

	Summary Summary
}

// Host is one host of a target.
type Host struct {
	Name       string
	Port       uint16
	Preference uint16 // of an MX record
	Implicit   bool   // TLS from the first byte
	MX         bool   // an MX record names it
	NoMX       bool   // it is the domain itself, for want of an MX record

	None      queue.Outcome // why it has no addresses; zero when it has
	Addresses []Address
	LeftOut   int // addresses that were not asked
}

// Address is one address of a host.
type Address struct {
	Addr    netip.AddrPort
	Result  *probe.Result
	Verdict Verdict
	Late    bool // the time for it was over before the verdict was certain; Result has what was found until then
}

// learnt reports whether there is anything to tell of what the address offers.
func (a Address) learnt() bool { return len(a.Result.Versions) > 0 }

// Late lists the addresses for which the time was too short.
func (r *Report) Late() []netip.AddrPort {
	var late []netip.AddrPort
	for _, h := range r.Hosts {
		for _, a := range h.Addresses {
			if a.Late {
				late = append(late, a.Addr)
			}
		}
	}
	return late
}

// Verdict says what would become of mail at one address.
type Verdict struct {
	Passes bool   // mail may go there
	Clear  bool   // in clear text, because the policy has it so
	Cause  string // why it may not: key of a row in the table of causes
	Detail string // what was seen, if the cause does not say it all: remote text, without control characters
}

// Summary says what would become of mail for a target.
type Summary struct {
	Delivered bool
	Clear     bool   // at some address it would go in clear text
	TLS13     bool   // wherever it is delivered, TLS 1.3 is offered for certain
	Cause     string // why it is not delivered: the cause that would stand in the notice
	Sentences []string
}

// Fine reports whether nothing must be mended: mail is delivered, and encrypted.
func (s Summary) Fine() bool { return s.Delivered && !s.Clear }
