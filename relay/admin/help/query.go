package help

import (
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/text/language"

	"tlsrelay/tlspolicy/ledger"
)

// query is what a link may ask for. Anything else in it is passed over, and shown nowhere.
type query struct {
	lang   string // "en", "de", or "" for what the browser prefers
	domain string // in lower case and ASCII; "" for none, or one that cannot be
	id     bool   // the link is from a notice: a message's name was in it
}

func queryOf(r *http.Request) query {
	values, _ := url.ParseQuery(r.URL.RawQuery) // what can be read of it
	q := query{id: values.Has("id")}
	if lang := strings.ToLower(values.Get("lang")); lang == "en" || lang == "de" {
		q.lang = lang
	}
	q.domain = domainOf(values.Get("domain"))
	return q
}

// link is the query for another page or language, with a question mark, or "".
func (q query) link(lang string) string {
	values := url.Values{}
	if lang != "" {
		values.Set("lang", lang)
	}
	if q.domain != "" {
		values.Set("domain", q.domain)
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// maxDomain is what a domain may have before it is brought to ASCII, in bytes.
const maxDomain = 512

// domainOf gives a domain as it stands in DNS, or "".
func domainOf(s string) string {
	if len(s) > maxDomain {
		return ""
	}
	if name, err := idna.Lookup.ToASCII(s); err == nil { // it fails for underscores, which are seen in practice
		s = name
	}
	s, _ = ledger.DomainName(s)
	return s
}

// maxAccept bounds the field that is read to choose a language, in bytes.
const maxAccept = 500

// preferred chooses a language by the Accept-Language field (RFC 9110, 12.5.4), by default the usual one.
func preferred(accept []string, usual string) string {
	offers, keys := []language.Tag{language.English, language.German}, []string{"en", "de"}
	if usual == "de" {
		offers, keys = []language.Tag{language.German, language.English}, []string{"de", "en"}
	}
	field := strings.Join(accept, ",")
	if len(field) > maxAccept {
		return keys[0]
	}
	wanted, _, err := language.ParseAcceptLanguage(field)
	if err != nil {
		return keys[0]
	}
	_, i, _ := language.NewMatcher(offers).Match(wanted...)
	return keys[i]
}
