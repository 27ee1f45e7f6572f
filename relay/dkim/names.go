package dkim

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/idna"
)

// Longest names in octets (RFC 1035, 2.3.4).
const (
	maxLabel = 63
	maxName  = 253
)

// Domain brings a domain name to the form in which folders are named: lower case ASCII.
func Domain(s string) (string, error) {
	s = strings.TrimSuffix(s, ".")
	for i := range len(s) {
		if s[i] > 127 {
			ascii, err := idna.Lookup.ToASCII(s)
			if err != nil {
				return "", fmt.Errorf("%.60q is not a valid internationalized domain name", s)
			}
			s = ascii
			break
		}
	}
	s = strings.ToLower(s)
	return s, checkDomain(s)
}

// checkDomain wants lower case letters, digits, inner hyphens and underscores. It keeps a name from leaving its folder, too.
func checkDomain(s string) error {
	if len(s) > maxName {
		return fmt.Errorf("a domain has at most %d characters", maxName)
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("%.60q is not a domain: write one such as example.org", s)
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fmt.Errorf("%.60q is not a domain in lower case ASCII: write one such as example.org", s)
		}
	}
	return nil
}

// checkName judges a selector, and the name of the record that it makes with a domain.
func checkName(selector, domain string) error {
	if checkDomain(selector) != nil {
		return fmt.Errorf("%.60q is not a selector: write lower case letters and digits, such as s2026", selector)
	}
	if len(recordName(selector, domain)) > maxName {
		return errors.New("selector and domain are too long together for a name in DNS")
	}
	return nil
}

func recordName(selector, domain string) string { return selector + "._domainkey." + domain }
