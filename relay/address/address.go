// Package address parses and prints mailboxes as they stand in an SMTP envelope (RFC 5321, 4.1.2), strictly: what a
// remote host or an application wrote comes out in one canonical form that cannot break out of the angle brackets it is
// put in.
package address

import (
	"errors"
	"fmt"
	"strings"
)

// Longest parts in octets (RFC 5321, 4.5.3.1). maxPath counts the angle brackets.
const (
	maxLocal  = 64
	maxDomain = 255
	maxPath   = 256
)

// Address is a mailbox in canonical form, as [Parse] and [ParsePath] make it; two of them are the same mailbox if they
// are equal. The zero Address is no mailbox.
type Address struct {
	Local  string // as on the wire: a dot-string, or a quoted string if it must be one; beyond ASCII only by ParsePathUTF8
	Domain string // lower case ASCII, or an address literal: "[192.0.2.1]", "[IPv6:2001:db8::1]"
}

// String gives the wire form without angle brackets. For what the functions here made, it is printable, nothing in it
// ends the brackets around it, and it is ASCII but for a local part of ParsePathUTF8.
func (a Address) String() string {
	if a == (Address{}) {
		return ""
	}
	return a.Local + "@" + a.Domain
}

// Parse reads a mailbox without angle brackets. A domain with letters beyond ASCII is turned into its ASCII form
// (IDNA); a local part with such letters is an error. The error is a sentence for the person who wrote the address and
// holds nothing of it but single printable characters.
func Parse(s string) (Address, error) { return parse(s, false) }

// ASCII reports whether the mailbox can be named to a host without SMTPUTF8 (RFC 6531).
func (a Address) ASCII() bool { return isASCII(a.Local) }

// parse is Parse; wide says that the local part may be UTF-8 (RFC 6531, 3.3).
func parse(s string, wide bool) (Address, error) {
	if len(s) > 4*maxPath {
		return Address{}, errTooLong
	}
	local, rest, err := parseLocal(s, wide)
	if err != nil {
		return Address{}, err
	}
	domain, found := strings.CutPrefix(rest, "@")
	switch {
	case !found && rest == "":
		return Address{}, errors.New("the address has no @ and domain")
	case !found:
		return Address{}, fmt.Errorf("the address has %s before the @", show(rest))
	case strings.HasPrefix(domain, "["):
		domain, err = parseLiteral(domain)
	default:
		domain, err = parseDomain(domain)
	}
	if err != nil {
		return Address{}, err
	}
	a := Address{Local: local, Domain: domain}
	if len(a.String())+len("<>") > maxPath {
		return Address{}, errTooLong
	}
	return a, nil
}

// ParsePath reads what follows "FROM:" or "TO:" in a command: a path in angle brackets and, behind a space, the
// parameters, which are handed back in rest. null is true for "<>". Source routes ("<@a,@b:user@c>") are refused, as
// RFC 5321, C allows.
func ParsePath(arg string) (a Address, null bool, rest string, err error) {
	return parsePath(arg, false)
}

// ParsePathUTF8 is ParsePath for a client that may use local parts in UTF-8 (RFC 6531). The caller sees to it that it may.
func ParsePathUTF8(arg string) (a Address, null bool, rest string, err error) {
	return parsePath(arg, true)
}

func parsePath(arg string, wide bool) (a Address, null bool, rest string, err error) {
	path, found := strings.CutPrefix(arg, "<")
	if !found {
		return Address{}, false, "", errors.New("the address must stand in angle brackets: <user@example.org>")
	}
	end := pathEnd(path)
	if end < 0 {
		return Address{}, false, "", errors.New("the closing angle bracket > is missing")
	}
	path, rest = path[:end], path[end+1:]
	if rest != "" && rest[0] != ' ' {
		return Address{}, false, "", errors.New("after the closing angle bracket > comes a space or nothing")
	}
	rest = strings.Trim(rest, " ")
	if path == "" {
		return Address{}, true, rest, nil
	}
	if path[0] == '@' {
		return Address{}, false, "", errors.New("source routes (<@host:user@example.org>) are not supported")
	}
	if a, err = parse(path, wide); err != nil {
		return Address{}, false, "", err
	}
	return a, false, rest, nil
}

// pathEnd finds the ">" that ends the path: the first one outside a quoted string; -1 if there is none.
func pathEnd(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '>' && !quoted:
			return i
		}
	}
	return -1
}

var errTooLong = fmt.Errorf("the address is longer than %d characters with its angle brackets", maxPath)

// show names the first character of s so that it can stand in a reply.
func show(s string) string {
	switch c := s[0]; {
	case c == ' ':
		return "a space"
	case c < ' ' || c == 127:
		return "a control character"
	case c > 127:
		return "a character beyond ASCII"
	default:
		return "the character " + string(rune(c))
	}
}
