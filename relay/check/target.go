package check

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"tlsrelay/relay/address"
)

// portImplicitTLS is the port on which TLS starts without STARTTLS (RFC 8314 section 7.3).
const portImplicitTLS = 465

// Target is what is checked: the hosts that mail for a domain goes to, or one server.
type Target struct {
	Text     string // as the operator wrote it
	Domain   string // lower case ASCII; "" for a server
	Host     string // name or address of a server
	Port     uint16 // of a server; 0: that of MX hosts
	Implicit bool   // TLS from the first byte
}

// ParseTarget reads "example.org" (or a mail address there), "mx.example.org:25", "192.0.2.1", "2001:db8::1" or
// "[2001:db8::1]:25". With port 465, or implicit, the server has TLS from the first byte. The error is a sentence for the
// operator.
func ParseTarget(text string, implicit bool) (Target, error) {
	t := Target{Text: text, Implicit: implicit}
	if addr, ok := parseAddr(text); ok {
		t.Host = addr.String()
		return t, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return parseDomain(t)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return t, fmt.Errorf("%q has the port %q; a port is a number from 1 to 65535, as in %s:25", text, port, host)
	}
	t.Port, t.Implicit = uint16(n), implicit || n == portImplicitTLS
	if addr, ok := parseAddr(host); ok {
		t.Host = addr.String()
		return t, nil
	}
	if t.Host, err = domainName(host); err != nil {
		return t, wrong(text, err)
	}
	return t, nil
}

// parseDomain takes the target as a domain, or as a mail address in it.
func parseDomain(t Target) (Target, error) {
	if t.Implicit {
		return t, fmt.Errorf("TLS from the first byte is for servers: write %q with a port, as in %s:465", t.Text, t.Text)
	}
	var err error
	if t.Domain, err = domainName(t.Text[strings.LastIndexByte(t.Text, '@')+1:]); err != nil {
		return t, wrong(t.Text, err)
	}
	return t, nil
}

// parseAddr reads an IP address, bare, in brackets, or as an address literal of SMTP.
func parseAddr(s string) (netip.Addr, bool) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}, false
		}
		if len(s) > 5 && strings.EqualFold(s[:5], "ipv6:") {
			s = s[5:]
		}
	}
	addr, err := netip.ParseAddr(s)
	return addr.Unmap(), err == nil
}

// domainName gives a name in lower case ASCII.
func domainName(s string) (string, error) {
	if s = strings.TrimSuffix(s, "."); s == "" || strings.HasPrefix(s, "[") {
		return "", errors.New("there is no name")
	}
	a, err := address.Parse("postmaster@" + s)
	return a.Domain, err
}

func wrong(text string, err error) error {
	return fmt.Errorf("%q cannot be checked: %w. Write a domain (example.org), HOST:PORT, or an address (192.0.2.1, [2001:db8::1]:25)", text, err)
}
