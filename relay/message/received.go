package message

import (
	"net/netip"
	"strings"
	"time"
)

// dateLayout is the date of RFC 5322, 3.3.
const dateLayout = "Mon, 2 Jan 2006 15:04:05 -0700"

// wantLine is the length in octets that header lines made here keep to, unless a single word is longer.
const wantLine = 78

// maxPath is the longest address in octets: local part, at sign and domain (RFC 5321, 4.5.3.1).
const maxPath = 64 + 1 + 255

// received writes the trace field of RFC 5321, 4.4, with its CRLF. A local user stands where Postfix has it, "by HOST
// (Postfix, from userid 33)", because that is what operators look for when a web application sends spam. There it is a
// comment, which the RFC allows; Postfix leaves out the "from" clause, which the RFC does not. What was spoken is ESMTP
// without AUTH, so "with" says that and not Exim's "local", which no register knows.
func received(o Options) string {
	words := []string{"Received: from", heloWord(o.Helo)}
	if o.Client.IsValid() {
		words = append(words, "("+addressLiteral(o.Client)+")")
	}
	words = append(words, "by "+o.Hostname)
	if o.UserID != "" {
		words = append(words, "(tlsrelay, from userid "+commentText(o.UserID)+")")
	}
	words = append(words, "with "+protocol(o))
	if o.TLS != "" {
		words = append(words, "("+commentText(o.TLS)+")")
	}
	words = append(words, "id "+o.ID)
	if o.Recipient != "" && len(o.Recipient) <= maxPath && printable(o.Recipient) {
		words = append(words, "for <"+o.Recipient+">")
	}
	words[len(words)-1] += ";"
	return fold(append(words, o.Now.Format(dateLayout)))
}

// protocol is one of the names of RFC 3848 and RFC 6531, 4.3.
func protocol(o Options) string {
	name := "ESMTP"
	switch {
	case o.SMTPUTF8:
		name = "UTF8SMTP"
	case o.Plain && o.TLS == "" && !o.Authenticated:
		return "SMTP"
	}
	if o.TLS != "" {
		name += "S"
	}
	if o.Authenticated {
		name += "A"
	}
	return name
}

// heloWord makes a client's HELO name harmless: what is not a letter, a digit or a mark of a domain or address literal
// could end the clause or the line and is shown as "?".
func heloWord(helo string) string {
	const maxHelo = 255
	if helo == "" {
		return "unknown"
	}
	b := []byte(helo[:min(len(helo), maxHelo)])
	for i, c := range b {
		if !isAlphanumeric(c) && !strings.ContainsRune(".-_:[]", rune(c)) {
			b[i] = '?'
		}
	}
	return string(b)
}

// commentText keeps s inside the comment it is put in.
func commentText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > 126 || strings.ContainsRune(`()\`, r) {
			return '?'
		}
		return r
	}, s)
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > 126 {
			return false
		}
	}
	return true
}

// addressLiteral writes an address as RFC 5321, 4.1.3 has it.
func addressLiteral(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		return "[IPv6:" + a.String() + "]"
	}
	return "[" + a.String() + "]"
}

// fold joins words to a header field; what would pass wantLine goes to the next line. A word may have blanks inside,
// where the line is better not broken.
func fold(words []string) string {
	var b strings.Builder
	width := 0
	for i, w := range words {
		switch {
		case i == 0:
		case width+1+len(w) > wantLine:
			b.WriteString("\r\n ")
			width = 1
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(w)
		width += len(w)
	}
	b.WriteString("\r\n")
	return b.String()
}

// dateField and idField are what a submission server adds where a client left them out (RFC 6409, 8.2 and 8.3).
func dateField(now time.Time) string { return fold([]string{"Date:", now.Format(dateLayout)}) }

func idField(id string) string { return fold([]string{"Message-ID:", id}) }
