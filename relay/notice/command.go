package notice

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// command writes the command by which a postmaster can see what this relay saw at the server of g, with further options, as an
// indented paragraph. A line too long for the page goes on behind a backslash, as a shell has it. On a page that is about no
// server, HOST stands for its name.
func command(g group, options ...string) string {
	host, port := g.dial()
	words := []string{"openssl", "s_client"}
	if port != "465" { // TLS from the first byte (RFC 8314)
		words = append(words, "-starttls smtp")
	}
	words = append(words, "-connect "+net.JoinHostPort(host, port))
	for _, o := range options {
		if _, err := netip.ParseAddr(host); err == nil {
			o = strings.ReplaceAll(o, "-verify_hostname", "-verify_ip")
		}
		words = append(words, strings.ReplaceAll(o, "HOST", host))
	}
	const indent, more, end = kept, kept + kept, " \\"
	var lines []string
	line := indent + words[0]
	for _, w := range words[1:] {
		if width(line)+1+width(w)+len(end) > columns {
			lines = append(lines, line+end)
			line = more + w
			continue
		}
		line += " " + w
	}
	return strings.Join(append(lines, line), "\n")
}

// dial is the name, or else the address, under which the server can be reached, and its port. Neither has a character that a
// shell takes for more than a letter.
func (g group) dial() (host, port string) {
	host, port = strings.Trim(g.Host, "[]"), g.Port
	if host == "" || host == "?" {
		host = g.Address
	}
	if a, err := netip.ParseAddr(host); (err != nil || a.Zone() != "") && !isDomain(host) {
		host = "HOST"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		port = "25"
	}
	return host, port
}
