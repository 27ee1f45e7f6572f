package address

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const maxLabel = 63 // octets, RFC 1035, 2.3.4

// parseDomain gives a domain name in lower case ASCII.
func parseDomain(s string) (string, error) {
	if !isASCII(s) {
		ascii, err := idna.Lookup.ToASCII(s)
		if err != nil || !utf8.ValidString(s) {
			return "", errors.New("the domain is not a valid internationalized domain name")
		}
		s = ascii
	}
	if s == "" {
		return "", errors.New("the domain after the @ is empty")
	}
	if len(s) > maxDomain {
		return "", fmt.Errorf("the domain is longer than %d characters", maxDomain)
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if err := checkLabel(label); err != nil {
			return "", err
		}
		last = label
	}
	if strings.Trim(last, "0123456789") == "" {
		return "", errors.New("the domain ends in a number; an IP address must stand in square brackets: user@[192.0.2.1]")
	}
	return strings.ToLower(s), nil
}

// checkLabel wants letters, digits and inner hyphens (RFC 5321, 4.1.2: sub-domain). Underscores are no part of that, but of
// host names that receive mail.
func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("the domain has an empty part: a dot too many")
	case len(label) > maxLabel:
		return fmt.Errorf("a part of the domain is longer than %d characters", maxLabel)
	}
	for i := range len(label) {
		if c := label[i]; c == '@' {
			return errors.New("the address has more than one @")
		} else if !isLetDig(c) && c != '-' && c != '_' {
			return fmt.Errorf("the domain has %s; allowed are letters, digits, hyphens and dots", show(label[i:]))
		}
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return errors.New("a part of the domain starts or ends with a hyphen")
	}
	return nil
}

// parseLiteral gives an address literal (RFC 5321, 4.1.3) with its IP address in canonical form.
func parseLiteral(s string) (string, error) {
	inner, closed := strings.CutSuffix(s[1:], "]")
	if !closed {
		return "", errors.New("the address literal must end in ]")
	}
	const tag = "IPv6:"
	if len(inner) >= len(tag) && strings.EqualFold(inner[:len(tag)], tag) {
		if ip, err := netip.ParseAddr(inner[len(tag):]); err == nil && ip.Is6() && ip.Zone() == "" {
			return "[" + tag + ip.String() + "]", nil
		}
	} else if ip, err := netip.ParseAddr(inner); err == nil && ip.Is4() {
		return "[" + ip.String() + "]", nil
	}
	return "", errors.New("the address literal is not like [192.0.2.1] or [IPv6:2001:db8::1]")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > 127 {
			return false
		}
	}
	return true
}
