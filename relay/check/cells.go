package check

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// versionsCell is "1.2 1.3", "only 1.0 1.1" where all are below any floor, "1.0 to 1.3" for three and more. Behind versions of which
// it is not known whether they are offered stands a question mark, as in "1.2 1.3?"; "?" alone means that of none it is known.
func versionsCell(r *probe.Result) string {
	var names []string
	for rest := r.Versions; len(rest) > 0; {
		n := 1 // so many in a row have the same answer
		for n < len(rest) && rest[n].Offered == rest[0].Offered {
			n++
		}
		switch rest[0].Offered {
		case probe.Unknown:
			if n == len(r.Versions) {
				return "?"
			}
			names = append(names, versionNames(rest[:n], "?")...)
		case probe.Yes:
			names = append(names, versionNames(rest[:n], "")...)
		}
		rest = rest[n:]
	}
	switch {
	case len(r.Versions) == 0:
		return "?"
	case len(names) == 0:
		return "none"
	case len(r.Offered()) > 0 && r.Reaches(tlspolicy.MinFloor) == probe.No:
		names = slices.Insert(names, 0, "only")
	}
	return strings.Join(names, " ")
}

// versionNames names versions in a row, each with a mark behind it; three and more by the first and the last.
func versionNames(row []probe.Version, mark string) []string {
	if last := len(row) - 1; last >= 2 {
		return []string{row[0].Version.String() + " to " + row[last].Version.String() + mark}
	}
	var names []string
	for _, v := range row {
		names = append(names, v.Version.String()+mark)
	}
	return names
}

func answerCell(a probe.Answer) string {
	return map[probe.Answer]string{probe.Yes: "yes", probe.No: "no", probe.Unknown: "?"}[a]
}

// certificateCell is "Let's Encrypt, 61 days", "self-signed, wrong name, expired" and the like.
func certificateCell(r *probe.Result, now time.Time) string {
	c := r.Certificate
	switch {
	case c == nil:
		return "not seen"
	case c.NotAfter.IsZero():
		return "unreadable"
	case c.Trusted == probe.Unknown && c.Problem != "":
		return "unusable"
	}
	facts := []string{authority(c)}
	switch {
	case selfSigned(c):
		facts[0] = "self-signed"
	case c.Trusted == probe.No && !expired(c, now):
		facts[0] = "not trusted"
	}
	if misnamed(r) {
		facts = append(facts, "wrong name")
	}
	return strings.Join(append(facts, validity(c, now)), ", ")
}

// misnamed reports whether the certificate is for other names than the host's. An address has no name.
func misnamed(r *probe.Result) bool {
	_, err := netip.ParseAddr(r.Name)
	return r.Certificate.Fits == probe.No && err != nil && r.Name != ""
}

// selfSigned reports whether a certificate names itself as its authority, and nobody trusts it.
func selfSigned(c *probe.Certificate) bool {
	name := attribute(c.Issuer, "CN")
	return c.Trusted == probe.No && (slices.Contains(c.Names, name) || slices.Contains(c.Names, probe.CommonName+name))
}

// maxAuthority bounds the name of an authority in the table, in characters.
const maxAuthority = 24

// authority is who issued a certificate: the organization, or else the common name.
func authority(c *probe.Certificate) string {
	name := cmp.Or(attribute(c.Issuer, "O"), attribute(c.Issuer, "CN"), "an unnamed authority")
	return clip(plain(name), maxAuthority)
}

// attribute finds one in a distinguished name as [crypto/x509/pkix.Name.String] writes it (RFC 2253).
func attribute(dn, key string) string {
	for rest := dn; rest != ""; {
		var value strings.Builder
		end := 0
		for end < len(rest) && rest[end] != ',' && rest[end] != '+' {
			if rest[end] == '\\' && end+1 < len(rest) {
				end++
			}
			value.WriteByte(rest[end])
			end++
		}
		if text, ok := strings.CutPrefix(value.String(), key+"="); ok {
			return text
		}
		rest = rest[min(end+1, len(rest)):]
	}
	return ""
}

func expired(c *probe.Certificate, now time.Time) bool {
	return now.After(c.NotAfter) || now.Before(c.NotBefore)
}

// validity says how long a certificate is still good.
func validity(c *probe.Certificate, now time.Time) string {
	const day = 24 * time.Hour
	switch left := c.NotAfter.Sub(now); {
	case now.Before(c.NotBefore):
		return "not yet valid"
	case left < 0:
		return "expired"
	case left < day:
		return "under a day"
	default:
		return count(int(left/day), "day")
	}
}

// notes are what the row of an address has no room for.
func notes(a Address, now time.Time) []string {
	var notes []string
	if c := a.Result.Certificate; c != nil {
		if facts := complaints(c, now, a.Verdict.Passes); len(facts) > 0 {
			notes = append(notes, "its certificate "+strings.Join(facts, "; "))
		}
	}
	offered := a.Result.Offered()
	for _, v := range a.Result.Versions {
		if v.Offered == probe.Unknown && len(offered) > 0 && v.Version > slices.Max(offered) {
			notes = append(notes, v.Version.Name()+" is not certain: "+words(v.Seen))
		}
	}
	if a.Result.BigHello == probe.No && a.Verdict.Passes {
		notes = append(notes, "it fails with a ClientHello of more than one packet; mail uses a small one")
	}
	if v := a.Verdict; v.Cause == tlspolicy.HandshakeFailed.Key || v.Cause == tlspolicy.NoCommonCipher.Key {
		notes = append(notes, strings.TrimPrefix(v.Detail, "no session: "))
	}
	for i := range notes {
		notes[i] = clip(notes[i], tableWidth-len(addressIndent)-2)
	}
	return notes
}

// complaints are the facts behind the words of certificateCell. Who made it matters only where no mail goes.
func complaints(c *probe.Certificate, now time.Time, passes bool) []string {
	var facts []string
	if c.Fits == probe.No && len(c.Names) > 0 {
		if name, alone := strings.CutPrefix(c.Names[0], probe.CommonName); alone {
			facts = append(facts, "has no name but a common name, "+nameList([]string{name})+", which does not count")
		} else {
			facts = append(facts, "is for "+nameList(c.Names))
		}
	}
	if c.Trusted == probe.No && !selfSigned(c) && !passes {
		facts = append(facts, "is from "+authority(c))
	}
	switch {
	case c.NotAfter.IsZero():
	case now.Before(c.NotBefore):
		facts = append(facts, "begins on "+c.NotBefore.UTC().Format(time.DateOnly))
	case now.After(c.NotAfter):
		facts = append(facts, "ended on "+c.NotAfter.UTC().Format(time.DateOnly))
	}
	if c.Trusted == probe.Unknown && c.Problem != "" {
		facts = append(facts, "cannot be used: "+words(c.Problem))
	}
	return facts
}

func nameList(names []string) string {
	const most = 2
	var list []string
	for _, n := range names[:min(most, len(names))] {
		list = append(list, clip(plain(n), 40))
	}
	text := strings.Join(list, ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// plain makes a remote's words fit for a column: no control characters, nothing that joins the character before it.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsMark(r) {
			return '?'
		}
		return r
	}, words(s))
}

// clip cuts text to so many characters.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-3]) + "..."
}
