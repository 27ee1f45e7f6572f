package notice

import (
	"fmt"
	"strings"
)

// helpLink puts the values into the placeholders {cause} {domain} {lang} {id} of a link. Every value is
// percent-escaped, so that it is inert in path and query; a domain that is none is left empty.
func helpLink(link, cause, domain, lang, id string) string {
	if !isDomain(domain) {
		domain = ""
	}
	return strings.NewReplacer(
		"{cause}", escape(cause), "{domain}", escape(domain), "{lang}", escape(lang), "{id}", escape(id),
	).Replace(link)
}

// escape keeps the unreserved characters of RFC 3986, 2.3.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
