package tlspolicy

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// Level says what a destination must offer. The zero Level is Required.
type Level uint8

const (
	Required      Level = iota // TLS at or above the floor or no delivery; the certificate is not checked
	Opportunistic              // as Required if STARTTLS is offered, clear text if it is not offered at all
	Verified                   // as Required, and the certificate must be valid for the MX host
)

var levelNames = [...]string{"required", "opportunistic", "verified"}

func (l Level) String() string { return levelNames[l] }

// ParseLevel reads a level's name.
func ParseLevel(s string) (Level, error) {
	for i, name := range levelNames {
		if s == name {
			return Level(i), nil
		}
	}
	return 0, fmt.Errorf("TLS level %q: allowed are opportunistic, required, verified", s)
}

// Rule is what the operator asks of some destinations.
type Rule struct {
	Domain string // "example.org", ".example.org" for all below it, or "" for the default
	Level  Level
	Floor  Version
	Until  time.Time // the rule ends then; zero: never
}

// Policy is the operator's whole TLS policy, and remembers the sessions made under it. The zero Policy asks for TLS 1.2
// everywhere. It must not be copied, nor changed when a Decision was made.
type Policy struct {
	Default Rule
	Domains []Rule
	Roots   *x509.CertPool // to verify certificates against; nil: the system's

	sessions sessions
}

// Decide gives the decision for a recipient's domain (lower case, ASCII) at a time. The most specific rule that has not
// ended wins: the name itself, else the longest parent.
func (p *Policy) Decide(domain string, now time.Time) Decision {
	best := p.Default
	for _, r := range p.Domains {
		if r.matches(domain) && r.inForce(now) && len(r.Domain) > len(best.Domain) {
			best = r
		}
	}
	return Decision{Level: best.Level, Floor: max(best.Floor, MinFloor), roots: p.Roots, sessions: &p.sessions, made: now}
}

// matches compares by whole labels: ".example.org" covers a.example.org and not example.org itself.
func (r Rule) matches(domain string) bool {
	if strings.HasPrefix(r.Domain, ".") {
		return strings.HasSuffix(domain, r.Domain) && len(domain) > len(r.Domain)
	}
	return domain == r.Domain
}

func (r Rule) inForce(now time.Time) bool { return r.Until.IsZero() || now.Before(r.Until) }
