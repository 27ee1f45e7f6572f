package help

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"tlsrelay/tlspolicy/ledger"
)

// allowed is the elements of the pages and their attributes.
var allowed = map[string]string{
	"html": "lang", "head": "", "meta": "charset name content", "title": "", "link": "rel hreflang href", "style": "", "body": "",
	"a": "class href hreflang lang", "header": "class", "div": "class", "span": "class", "main": "id class", "footer": "class",
	"section": "id class", "nav": "class aria-label", "h1": "", "h2": "", "h3": "", "p": "class aria-hidden", "ul": "", "ol": "", "li": "",
	"pre": "", "code": "", "blockquote": "class", "strong": "", "dl": "class", "dt": "", "dd": "", "time": "datetime",
	"table": "role", "caption": "", "thead": "role", "tbody": "role", "tr": "role", "th": "role scope class", "td": "role data-label class",
}

// link is what may stand in an href.
var link = regexp.MustCompile(`^(#[a-z]+|(\.\./){0,8}help/(\?lang=(en|de))?|/help/(\?lang=(en|de))?|data:image/svg\+xml,[^"]*|` +
	`(\./[a-z0-9-]+)?(\?(domain=[a-z0-9._-]+)?&?(lang=(en|de))?)?)$`)

// strange gives what a page has that none of ours has: elements, attributes, links, comments, and, if codes is set, control
// characters and marks that turn the direction of writing.
func strange(page string, codes bool) error {
	tokens := html.NewTokenizer(strings.NewReader(page))
	for {
		kind := tokens.Next()
		token := tokens.Token()
		switch kind {
		case html.ErrorToken:
			return nil
		case html.CommentToken:
			return fmt.Errorf("comment %q", token.Data)
		case html.DoctypeToken:
			continue
		case html.TextToken:
			bad := func(r rune) bool {
				return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u00ad'
			}
			if codes && strings.ContainsFunc(token.Data, bad) {
				return fmt.Errorf("text %q", token.Data)
			}
			continue
		}
		attributes, known := allowed[token.Data]
		if !known {
			return fmt.Errorf("element %s", token)
		}
		for _, a := range token.Attr {
			if !strings.Contains(" "+attributes+" ", " "+a.Key+" ") || a.Key == "href" && !link.MatchString(a.Val) {
				return fmt.Errorf("attribute %q of %s", a, token)
			}
		}
	}
}

// FuzzPages has strangers and mail servers say what they like: no markup, link or control code of theirs comes onto a page.
func FuzzPages(f *testing.F) {
	evil := `"><script>alert(1)</script><a href="https://evil.example/">x</a><!-- ` + "\x1b]8;;https://evil.example\x07\u202e\x00"
	f.Add("/help/tls-version", "en", "old.example", "de", "mx.old.example", "tls-version", evil, "1.2", "TLS 1.0, "+evil, evil)
	f.Add("/help/"+evil, evil, evil, evil, evil, evil, evil, evil, evil, evil)
	f.Add("/../../help/x", "de", "xn--bcher-kva.example", "*", "javascript:alert(1)", "starttls-refused", "{{.}}", "", "", "javascript:alert(1)")
	f.Add("//evil.example/help/", "de", "BÜCHER.example", "", "mx", "null-mx", "a", "1.3", "TLS 1.3", "*.a.example, "+evil)
	f.Fuzz(func(t *testing.T, path, lang, domain, accept, host, cause, answer, needed, offers, names string) {
		seen := ledger.Seen{
			Host: host, Cause: cause, Answer: answer, Needed: needed, Probed: today, Offers: offers, KeyExchange: offers, Proven: true,
			Certificate: ledger.Certificate{Names: names, Issuer: names, NotBefore: today, NotAfter: today},
		}
		known := domainOf(domain)
		clean := ledger.New()
		clean.Note(known, []ledger.Seen{seen}, today)
		raw := func(string) (ledger.Entry, bool) { // as if the ledger kept all as it is
			return ledger.Entry{Domain: domain, Version: answer, Delivered: today, Hosts: []ledger.Host{{Seen: seen, First: today, Last: today, Attempts: 1}}}, true
		}
		p := testPages(testSettings())
		for i, evidence := range []func(string) (ledger.Entry, bool){clean.Domain, raw} {
			p.evidence = evidence
			p.limits.forgetAll()
			query := url.Values{"lang": {lang}, "domain": {domain}, "id": {domain}}
			w := httptest.NewRecorder()
			p.ServeHTTP(w, &http.Request{
				Method: http.MethodGet, URL: &url.URL{Path: path, RawQuery: query.Encode()}, RemoteAddr: "192.0.2.1:7",
				Header: http.Header{"Accept-Language": {accept}, "X-Forwarded-For": {host}},
			})
			if w.Code != 200 && w.Code != 404 && w.Code != 302 {
				t.Fatalf("%s: %d %s", path, w.Code, w.Body)
			}
			for name, values := range w.Header() {
				if strings.ContainsFunc(strings.Join(values, ""), unicode.IsControl) {
					t.Errorf("%s: %q", name, values)
				}
			}
			if err := strange(w.Body.String(), i == 0); err != nil {
				t.Fatalf("%v\n%s", err, w.Body)
			}
		}
	})
}

// The judge of the fuzz test must see what it looks for.
func TestStrange(t *testing.T) {
	for _, bad := range []string{
		"<script>x</script>", `<a href="https://evil.example">x</a>`, `<a href="//evil.example">x</a>`, `<a href="javascript:x">x</a>`,
		`<p onclick="x">x</p>`, `<p style="color:red">x</p>`, "<!-- x -->", "<p>\x1b[0m</p>", "<p>\u202e</p>", "<img src=x>", "<form><input></form>",
	} {
		if strange(bad, true) == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
