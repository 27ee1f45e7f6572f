package notice

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// maxFindings is how many addresses a group shows.
const maxFindings = 6

// facts is what attempts, and perhaps a probe, found out about the TLS of one address of a host.
type facts struct {
	First  time.Time // of the attempts there
	Probed time.Time // zero: there was no probe
	Proven bool      // the probe alone would name the same cause

	Asked       bool     // a probe asked for versions: the next two are known
	Offers      []string // none: no TLS version at all
	KeyExchange string   // of TLS 1.2 and older
	Mixed       bool     // attempts found only older versions than the probe

	HasCertificate     bool // the rest is known
	Names              []string
	CommonName         string // where there are no names: what was good enough before
	Issuer             string
	ValidFrom, ValidTo time.Time // the one that is still to come, and the end of one that is valid; else zero
	Ended              time.Time // since when it is expired; zero if it is not
}

// addFindings takes what was seen for a recipient into the group: a group of its own for each address, once. The sentences
// speak of the one that has the group's cause, better if it is proven, and better if it is that of the last attempt.
func (g *group) addFindings(r *queue.Recipient, zone *time.Location) {
	if !tlspolicy.IsCause(g.Key) {
		return
	}
	for i := range r.Evidence {
		e := &r.Evidence[i]
		if slices.Contains(g.remotes, e.Remote) {
			continue
		}
		if len(g.remotes) == maxRemotes {
			return
		}
		g.remotes = append(g.remotes, e.Remote)
		f := g.finding(e, zone)
		latest := e.Remote == r.Last.Remote
		if latest {
			f.Detail = own(r.Last.Detail)
		}
		if w := f.weightOf(latest); f.Key == g.Key && w > g.weight {
			g.weight, g.facts = w, f.facts
			g.speaksOf = &f.evidence
		}
		if len(g.Findings) < maxFindings {
			g.Findings = append(g.Findings, f)
		} else {
			g.MoreFindings++
		}
	}
}

// maxRemotes bounds the addresses that a group knows; those beyond are not even counted.
const maxRemotes = 100

// weightOf is how well a finding speaks for the outcome of a recipient; more than 0.
func (g *group) weightOf(latest bool) int {
	w := 1
	if g.Proven {
		w += 2
	}
	if latest {
		w++
	}
	return w
}

// finding is the evidence as templates see it.
func (g *group) finding(e *queue.Evidence, zone *time.Location) group {
	f := group{
		Key: ascii(e.Cause, 60), Domain: g.Domain, Hostname: g.Hostname, Page: g.Page,
		Floor: cmp.Or(ascii(e.Needed, 10), g.Floor),
		evidence: evidence{
			Seen: noLinks(plain(e.Seen, 200)), Attempts: e.Attempts, Last: in(e.Last, zone),
		},
		facts: facts{
			First: in(e.First, zone), Probed: in(e.Probed, zone), Proven: e.Proven && !e.Probed.IsZero(),
		},
	}
	if e.Host != "" {
		f.Host = hostText(e.Host)
	}
	f.Address, f.Port = splitRemote(e.Remote)
	if strings.HasPrefix(f.Key, "tls-") && !e.Probed.IsZero() {
		f.Asked, f.Offers, f.KeyExchange = true, list(e.Offers), inert(e.KeyExchange, 100)
		f.Mixed = f.Key == tlspolicy.VersionBelowFloor.Key && len(f.Offers) > 0 &&
			f.Offers[len(f.Offers)-1] >= "TLS "+f.Floor // "SSL 3.0" < "TLS 1.0" < "TLS 1.3"
	}
	if strings.HasPrefix(f.Key, "certificate-") && !e.Certificate.NotAfter.IsZero() {
		f.addCertificate(e.Certificate, zone)
	}
	return f
}

// addCertificate tells what a certificate says, as of the last time it was seen.
func (g *group) addCertificate(c queue.CertificateFacts, zone *time.Location) {
	g.HasCertificate, g.Issuer = true, inert(c.Issuer, 200)
	if name, alone := strings.CutPrefix(c.Names, "CN="); alone {
		g.CommonName = inert(name, 100)
	} else {
		g.Names = list(c.Names)
	}
	at := g.Last
	if at.Before(g.Probed) { // on a page nothing is known of attempts
		at = g.Probed
	}
	switch {
	case c.NotAfter.Before(at):
		g.Ended = in(c.NotAfter, zone)
	case c.NotBefore.After(at):
		g.ValidFrom = in(c.NotBefore, zone)
	default:
		g.ValidTo = in(c.NotAfter, zone)
	}
}

// speak has the sentences of a group speak of the server that its facts are about.
func (g *group) speak() {
	if e := g.speaksOf; e != nil {
		g.Host, g.Address, g.Port, g.Seen = e.Host, e.Address, e.Port, cmp.Or(e.Seen, g.Seen)
	}
}

// list takes apart what a probe joined, at most ten.
func list(joined string) []string {
	const most = 10
	var names []string
	for name := range strings.SplitSeq(joined, ",") {
		if a, err := netip.ParseAddr(strings.TrimSpace(name)); err == nil && a.Zone() == "" {
			name = a.String() // its colons are no harm
		} else if name = ascii(inert(name, 100), 100); name == "" { // a letter may look like another one
			continue
		}
		if len(names) == most {
			return append(names, "...")
		}
		names = append(names, name)
	}
	return names
}

// inert makes a remote's words in a text of our own harmless: beside what plain does, no mail program makes a link to more
// than a host name of them, and none is taken for a heading.
func inert(s string, max int) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("/\\:@<>#", r) {
			return '?'
		}
		return r
	}, plain(s, max))
}
