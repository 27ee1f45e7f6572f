package configs

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// domainName gives a domain or host name in lower case and ASCII (RFC 5890 A-labels), and whether it is one: labels of
// letters, digits and hyphens, at most 253 octets, not an IP address.
func domainName(s string) (string, bool) {
	name, err := idna.Lookup.ToASCII(s)
	if err != nil || len(name) > 253 {
		return "", false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "", false
	}
	return name, !slices.ContainsFunc(strings.Split(name, "."), badLabel)
}

func badLabel(label string) bool {
	return label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
		strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != ""
}

// domainPattern is domainName for names that may begin with a dot, which stands for all domains below.
func domainPattern(s string) (string, bool) {
	rest, below := strings.CutPrefix(s, ".")
	name, ok := domainName(rest)
	if below {
		name = "." + name
	}
	return name, ok
}

// maxURL keeps the help URL, with its placeholders filled in, within a line of a mail (RFC 5322, section 2.1.1).
const maxURL = 500

// helpURLProblem says what is wrong with a help URL, or "". Placeholders may not stand in the host: the domain of
// whoever a mail was for must not decide which site the sender is led to.
func helpURLProblem(s string) string {
	const advice = `write an address such as "https://help.example.net/mail/{cause}?domain={domain}&lang={lang}&id={id}"`
	if s == "" {
		return ""
	}
	if len(s) > maxURL {
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(s), maxURL)
	}
	plain, why := fillPlaceholders(s)
	if why != "" {
		return why
	}
	u, err := url.Parse(plain)
	if err != nil || strings.ContainsFunc(s, notInURL) {
		return fmt.Sprintf("%.60q is not a URL; %s", s, advice)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return fmt.Sprintf("%.60q is not an http or https address; %s", s, advice)
	}
	if u.User != nil || strings.Contains(authority(s), "{") {
		return fmt.Sprintf("%.60q has a placeholder or a password in its host; %s", s, advice)
	}
	return ""
}

// notInURL tells characters that would end a URL early in a mail, or need escaping (RFC 3986, appendices A and C).
func notInURL(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>`, r) }

// authority cuts the part between "//" and the path, query or fragment out of a URL (RFC 3986, section 3.2).
func authority(s string) string {
	_, s, _ = strings.Cut(s, "//")
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		return s[:i]
	}
	return s
}

// fillPlaceholders puts a letter for each placeholder, or says which one there is not.
func fillPlaceholders(s string) (plain, why string) {
	known := []string{"cause", "domain", "lang", "id"}
	const advice = "the placeholders are {cause}, {domain}, {lang} and {id}"
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "{")
		if strings.Contains(before, "}") {
			return "", "has a } without a { before it; " + advice
		}
		b.WriteString(before)
		if !found {
			return b.String(), ""
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", "has a { without a } behind it; " + advice
		}
		if !slices.Contains(known, name) {
			return "", fmt.Sprintf("%.60q is not known; %s", "{"+name+"}", advice)
		}
		b.WriteByte('x')
		s = after
	}
}
