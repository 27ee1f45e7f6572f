package ledger

import (
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Longest texts, in characters.
const (
	maxShort = 60
	maxSeen  = 200
	maxNames = 300
)

// clean makes all text of s short and harmless, and leaves out what is not about TLS.
func (s Seen) clean() Seen {
	if host, ok := DomainName(s.Host); ok {
		s.Host = host
	} else {
		s.Host = "" // an address, as in a route
	}
	s.Cause, s.Needed = facts(s.Cause, maxShort), facts(s.Needed, maxShort)
	s.Answer = facts(s.Answer, maxSeen)
	s.Offers, s.KeyExchange = facts(s.Offers, maxShort), facts(s.KeyExchange, maxShort)
	s.Certificate.Names = certificateNames(s.Certificate.Names)
	s.Certificate.Issuer = facts(s.Certificate.Issuer, 2*maxShort)
	s.Probed, s.Certificate.NotBefore, s.Certificate.NotAfter = when(s.Probed), when(s.Certificate.NotBefore), when(s.Certificate.NotAfter)
	return s
}

// when gives a time in UTC. One that JSON has no form for, and a certificate may have any, becomes zero.
func when(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// certificateNames keeps the domains of a list, whole ones only. See [tlsrelay/tlspolicy/probe.Names] for its form.
func certificateNames(list string) string {
	if len(list) > 16*maxNames {
		list = list[:16*maxNames]
	}
	var b strings.Builder
	for name := range strings.SplitSeq(list, ",") {
		rest, common := strings.CutPrefix(strings.TrimSpace(name), "CN=") // the certificate has no other name
		rest, below := strings.CutPrefix(rest, "*.")
		name, ok := DomainName(rest)
		if !ok {
			continue
		}
		if below {
			name = "*." + name
		}
		if common {
			name = "CN=" + name
		}
		if b.Len()+len(name)+len(", ...") > maxNames {
			b.WriteString(", ...")
			break
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
	}
	return b.String()
}

// address tells words with a mail address, an IPv4 address or an IPv6 address in them.
var address = regexp.MustCompile(`@|(\d{1,3}\.){3}\d|:[0-9A-Fa-f]*:`)

// facts is a line of at most max characters: printable ones of ASCII, since others hide, turn the direction of writing or look like
// what they are not; no mail addresses, no IP addresses.
func facts(s string, max int) string {
	if len(s) > 4*max {
		s = s[:4*max]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
	words := strings.Fields(s)
	for i, w := range words {
		if address.MatchString(w) {
			words[i] = "..."
		}
	}
	line := strings.Join(words, " ")
	if len(line) > max {
		line = line[:max-3] + "..."
	}
	return line
}

// DomainName gives a domain as it stands in DNS (RFC 1035, 2.3.1; underscores are seen in practice) in lower case, and whether
// s is one. An IP address is none.
func DomainName(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	if _, err := netip.ParseAddr(s); err == nil || s == "" || len(s) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", false
		}
	}
	return s, true
}
