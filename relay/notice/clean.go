package notice

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"tlsrelay/queue"
)

// plain makes a line of text from elsewhere harmless for people to read: no control characters, no marks that turn the
// direction of writing or hide, no broken UTF-8, blanks in a row as one, at most max characters (three or more).
func plain(s string, max int) string {
	if len(s) > utf8.UTFMax*(max+1) {
		s = s[:utf8.UTFMax*(max+1)]
	}
	s = queue.Harmless(blanks(s))
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) > max {
		return string(runes[:max-3]) + "..."
	}
	return string(runes)
}

// blanks makes one of every character that is one in some way.
func blanks(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, s)
}

// harmless is for what templates wrote: all values are harmless already, but an operator's template may have a tab in it, or a
// line end as on other systems.
func harmless(s string) string {
	lines := strings.Split(strings.NewReplacer("\r", "", "\ufeff", "").Replace(s), "\n")
	for i := range lines {
		lines[i] = queue.Harmless(blanks(lines[i]))
	}
	return strings.Join(lines, "\n")
}

// ascii makes s fit for a header: printable ASCII, one blank in a row, at most max octets.
func ascii(s string, max int) string {
	if len(s) > max {
		s = s[:max]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\r' || r == '\n':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// isDomain reports whether s is a domain as it stands in DNS (RFC 1035, 2.3.1; underscores are seen in practice).
func isDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// hostText is a domain or address literal as people see it; what is neither is not shown in running text.
func hostText(s string) string {
	s = strings.TrimSuffix(s, ".")
	if isDomain(s) {
		return s
	}
	bare := strings.TrimPrefix(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), "IPv6:")
	if a, err := netip.ParseAddr(bare); err == nil && a.Zone() == "" {
		return "[" + a.String() + "]"
	}
	return "?"
}

// noLinks makes sure that a text of our own, such as an error of a library, shows no link, address or network share of a remote's
// making: what certificates say, for example, stands in it. A host name alone stays. It comes after plain.
func noLinks(s string) string {
	if !strings.ContainsAny(s, `/@\`) {
		return s
	}
	words := strings.SplitAfter(s, " ")
	for i, w := range words {
		if strings.Contains(w, "://") || strings.ContainsAny(w, `@\`) || strings.Contains(w, ".") && strings.Contains(w, "/") {
			words[i] = strings.NewReplacer("/", "?", "@", "?", `\`, "?").Replace(w)
		}
	}
	return strings.Join(words, "")
}
