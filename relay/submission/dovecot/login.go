package dovecot

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is passed on, in bytes.
const (
	maxName     = 255
	maxPassword = 1024
)

// Login is what Dovecot is asked about.
type Login struct {
	Name, Password string
	Client, Local  netip.Addr // the two ends of the connection it came by; invalid if it is none of a network
}

// sendable reports whether Dovecot could know such an account. A NUL ends a field of PLAIN: who could put one into a name would
// choose the password, too.
func (l Login) sendable() bool {
	return printable(l.Name) && l.Password != "" && len(l.Password) <= maxPassword && !strings.Contains(l.Password, "\x00")
}

// request is the line that asks. Penalties are left to the relay's own count of guesses; secured says that nobody listens in,
// nologin that no session follows. The response comes last, as Dovecot wants it.
func (l Login) request(id uint32) string {
	var b strings.Builder
	fmt.Fprintf(&b, "AUTH\t%d\tPLAIN\tservice=smtp\tsecured\tno-penalty", id)
	if l.Client.IsValid() {
		fmt.Fprintf(&b, "\trip=%s", l.Client.Unmap().WithZone(""))
	}
	if l.Local.IsValid() {
		fmt.Fprintf(&b, "\tlip=%s", l.Local.Unmap().WithZone(""))
	}
	fmt.Fprintf(&b, "\tnologin\tresp=%s\n", base64.StdEncoding.EncodeToString([]byte("\x00"+l.Name+"\x00"+l.Password)))
	return b.String()
}

// printable reports whether a name can stand in logs and rules.
func printable(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}
