package dns

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// cleanName brings a host name into the form used everywhere here: lower-case ASCII, no trailing dot. It answers false
// for what no mail host can be called: empty or overlong labels, bytes other than letters, digits, hyphen and
// underscore, address literals.
func cleanName(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	if s == "" || len(s) > 253 {
		return "", false
	}
	label := 0 // length of the label so far
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && label == 0:
			return "", false
		case c == '.':
			label = 0
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_':
			if label++; label > 63 {
				return "", false
			}
		default:
			return "", false
		}
	}
	if label == 0 {
		return "", false
	}
	if last := s[len(s)-1]; last >= '0' && last <= '9' { // the end of all IPv4 addresses; those of IPv6 have a colon
		if _, err := netip.ParseAddr(s); err == nil {
			return "", false
		}
	}
	return s, true
}

// isLocalhost tells names that never go to a server (RFC 6761 section 6.3).
func isLocalhost(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// badName is the error for a name that cleanName refuses. It is never put to a server.
func badName(name string, qtype uint16) error {
	return &TroubleError{Question: question(strconv.QuoteToASCII(name[:min(len(name), 256)]), qtype), Err: errBadName}
}

var errBadName = errors.New("not a domain name")
