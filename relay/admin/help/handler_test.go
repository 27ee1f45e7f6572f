package help

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"tlsrelay/tlspolicy/ledger"
)

// Adding a cause to a table without what its page needs fails here.
func TestEveryCauseHasAPage(t *testing.T) {
	p := testPages(testSettings())
	for _, lang := range []string{"en", "de"} {
		index := get(t, p, "/help/?lang="+lang).Body.String()
		for _, c := range causes() {
			if topics[c.Key] == (topic{}) {
				t.Errorf("%s has no topic", c.Key)
			}
			if !strings.Contains(index, `href="./`+c.Key+`?lang=`+lang+`"`) {
				t.Errorf("%s: the index has no link to %s", lang, c.Key)
			}
			for _, domain := range []string{"", "&domain=old.example", "&domain=nothing.example"} {
				w := get(t, p, "/help/"+c.Key+"?lang="+lang+domain)
				text := w.Body.String()
				if w.Code != http.StatusOK || strings.Contains(text, "no value") || strings.Contains(text, "ZgotmplZ") {
					t.Errorf("%s %s: %d %s", lang, c.Key, w.Code, text)
				}
			}
		}
	}
	if len(topics) != len(causes()) {
		t.Errorf("%d topics for %d causes", len(topics), len(causes()))
	}
}

// The questions that a hoster's help page answers.
func TestQuestionsAnswered(t *testing.T) {
	p := testPages(testSettings())
	for lang, answers := range map[string][]string{
		"en": {
			"supports neither TLS\u00a01.2 nor TLS\u00a01.3", "Not yours, and not the recipient’s.", "only the mail provider",
			"come so late, after 3\u00a0days", "keeps trying for 3 days", "were retired in March 2021 (RFC 8996)",
			"openssl s_client -starttls smtp", "tlsrelay check old.example", "Please switch on TLS 1.3", "-connect mx1.old.example:25",
		},
		"de": {
			"unterstützt weder TLS\u00a01.2 noch TLS\u00a01.3", "Nicht an Ihnen, und nicht am Empfänger.", "das kann nur der E\u2011Mail-Anbieter",
			"so spät, erst nach 3\u00a0Tagen", "sondern versucht es 3 Tage lang", "Seit März 2021 sind sie abgeschafft (RFC 8996)",
			"openssl s_client -starttls smtp", "tlsrelay check old.example", "TLS 1.3 ein", "-connect mx1.old.example:25",
		},
	} {
		text := strings.ReplaceAll(get(t, p, "/help/tls-version?domain=old.example&lang="+lang).Body.String(), "&nbsp;", "\u00a0")
		for _, answer := range answers {
			if !strings.Contains(text, answer) {
				t.Errorf("%s: %q is not on the page:\n%s", lang, answer, text)
			}
		}
	}
}

func TestEvidence(t *testing.T) {
	p := testPages(testSettings())
	text := get(t, p, "/help/tls-version?domain=Old.Example.&id=q1w2e3").Body.String()
	for _, want := range []string{
		`scope="row">mx1.old.example</th>`, "TLS 1.0<span", "TLS 1.1<span", "(too old)", "<span>TLS 1.2</span>", `datetime="2026-11-03T12:00:00Z"`,
		`datetime="2026-11-05T14:00:00Z"`, "<span>9</span>", "mx1.old.example, mail.old.example", "Example Trust Authority G2", "expired</span>",
		"alert 70 (protocol version not supported)", "proven</span>", "no TLS", `href="./starttls-not-offered?domain=old.example"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not on the page:\n%s", want, text)
		}
	}
	if strings.Contains(text, "q1w2e3") {
		t.Error("the name of the message is shown")
	}
	text = get(t, p, "/help/tls-version?domain=old.example&lang=de").Body.String()
	if want := "<dd>TLS-Alert 70 (Protokollversion nicht unterstützt)</dd>"; !strings.Contains(text, want) {
		t.Errorf("%s is not on the page:\n%s", want, text)
	}
}

// What a link names must not be said of a domain of which nothing is known, or something else is.
func TestNothingIsSaidOfOthers(t *testing.T) {
	p := testPages(testSettings())
	text := get(t, p, "/help/tls-version?domain=bank.example").Body.String()
	if n := strings.Count(text, "bank.example"); n != 4 || !strings.Contains(text, "About bank.example nothing is recorded") ||
		!strings.Contains(text, "responsible for the recipient&#39;s domain supports neither") {
		t.Errorf("the domain stands there %d times:\n%s", n, text)
	}
	text = get(t, p, "/help/certificate-expired?domain=old.example").Body.String()
	if strings.Contains(text, "responsible for old.example") || !strings.Contains(text, "./tls-version?domain=old.example") {
		t.Errorf("got %s", text)
	}
	for _, bad := range []string{"192.0.2.1", "a..b", "-a.example", strings.Repeat("a.", 200), "%3Cb%3E", "a@b.example", "x%00.example"} {
		if text := get(t, p, "/help/tls-version?domain="+bad).Body.String(); strings.Contains(text, `id="seen"`) {
			t.Errorf("%s is taken for a domain", bad)
		}
	}
}

func TestRepaired(t *testing.T) {
	p := testPages(testSettings())
	if text := get(t, p, "/help/tls-version?domain=repaired.example").Body.String(); !strings.Contains(text, "It works again") || !strings.Contains(text, "over TLS 1.3") {
		t.Errorf("got %s", text)
	}
	if text := get(t, p, "/help/tls-version?domain=old.example").Body.String(); strings.Contains(text, "It works again") {
		t.Error("what is broken is said to work")
	}
}

// No address comes onto the page, even if one got into the ledger's file.
func TestNoAddresses(t *testing.T) {
	l := ledger.New()
	l.Note("a.example", []ledger.Seen{{
		Host: "192.0.2.25", Cause: "tls-version", Answer: "reply of [2001:db8::25] to bob@a.example", Needed: "1.2", Probed: today,
		Certificate: ledger.Certificate{Names: "192.0.2.25, mx.a.example", Issuer: "postmaster@a.example", NotAfter: today},
	}}, today)
	p := testPages(testSettings())
	p.evidence = l.Domain
	text := get(t, p, "/help/tls-version?domain=a.example").Body.String()
	if regexp.MustCompile(`192\.0\.2|2001:db8|@a\.example`).MatchString(text) || !strings.Contains(text, "a server without a name") {
		t.Errorf("got %s", text)
	}
}

func TestLanguages(t *testing.T) {
	p := testPages(testSettings())
	for _, test := range []struct{ query, accept, want string }{
		{"", "", "en"}, {"", "de", "de"}, {"", "de-AT,de;q=0.9,en;q=0.8", "de"}, {"", "en-GB,en;q=0.9,de;q=0.8", "en"},
		{"", "fr;q=1,de;q=0.3,en;q=0.7", "en"}, {"", "fr, de;q=0.5", "de"}, {"", "en;q=0, de;q=0.1", "de"}, {"", "de;q=0, fr", "en"},
		{"", "*", "en"}, {"", "fr", "en"}, {"", "gibberish;;q=x", "en"}, {"", strings.Repeat("de,", 1000), "en"}, {"", "DE", "de"},
		{"?lang=de", "en", "de"}, {"?lang=EN", "de", "en"}, {"?lang=fr", "de", "de"}, {"?lang=", "de", "de"}, {"?lang=de&lang=en", "", "de"},
	} {
		w := get(t, p, "/help/"+test.query, "Accept-Language", test.accept)
		other := map[string]string{"en": "de", "de": "en"}[test.want]
		if got := w.Header().Get("Content-Language"); got != test.want || !strings.Contains(w.Body.String(), `<html lang="`+got+`">`) ||
			!strings.Contains(w.Body.String(), `href="?lang=`+other+`" hreflang="`+other+`"`) {
			t.Errorf("%q with Accept-Language %q: %s, want %s", test.query, test.accept, got, test.want)
		}
	}
	german := testSettings()
	german.Language = "de"
	p.Configure(german)
	if got := get(t, p, "/help/", "Accept-Language", "fr").Header().Get("Content-Language"); got != "de" {
		t.Errorf("where the relay writes German, a Frenchman gets %s", got)
	}
}

func TestHeaders(t *testing.T) {
	p := testPages(testSettings())
	for _, test := range []struct {
		path, cache, robots string
		code                int
	}{
		{"/help/", "public, max-age=3600", "", 200},
		{"/help/tls-version", "public, max-age=3600", "", 200},
		{"/help/tls-version?domain=old.example", "no-cache", "noindex", 200},
		{"/help/tls-version?id=1", "no-cache", "noindex", 200},
		{"/help/none", "no-store", "noindex", 404},
		{"/else", "no-store", "noindex", 404},
	} {
		w := get(t, p, test.path)
		h := w.Header()
		if w.Code != test.code || h.Get("Cache-Control") != test.cache || h.Get("X-Robots-Tag") != test.robots {
			t.Errorf("%s: %d %v", test.path, w.Code, h)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Vary": "Accept-Language",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", test.path, name, h.Get(name))
			}
		}
		style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(w.Body.String())
		csp := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'", "style-src '" + hashOf(style[1]) + "'"} {
			if !strings.Contains(csp+";", part+";") {
				t.Errorf("%s: the policy %q lacks %q", test.path, csp, part)
			}
		}
	}
}

func TestMethods(t *testing.T) {
	p := testPages(testSettings())
	body := get(t, p, "/help/tls-version")
	head := request(p, http.MethodHead, "/help/tls-version")
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != body.Header().Get("Content-Length") {
		t.Errorf("HEAD: %d, %d bytes, %v", head.Code, head.Body.Len(), head.Header())
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodOptions, http.MethodDelete, "BREW"} {
		if w := request(p, method, "/help/"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
}

func TestPaths(t *testing.T) {
	p := testPages(testSettings())
	for path, want := range map[string]string{
		"/help/none": "../help/", "/help/tls-version/x": "../../help/", "/x": "help/", "/a/b/c/d/e/f/g/h/i/j/k": "/help/", "/help/TLS-VERSION": "../help/",
	} {
		if w := get(t, p, path+"?lang=de"); w.Code != 404 || !strings.Contains(w.Body.String(), `class="button" href="`+want+`?lang=de"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/", "/help"} {
		if w := get(t, p, path); w.Code != 302 || w.Header().Get("Location") != "help/" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

func TestPermanentCauses(t *testing.T) {
	for _, key := range []string{"null-mx", "remote-permanent", "message-too-large"} {
		text := get(t, testPages(testSettings()), "/help/"+key).Body.String()
		if strings.Contains(text, "days") || !strings.Contains(text, "gave up at once") {
			t.Errorf("%s: %s", key, text)
		}
	}
}

func TestPanicStaysInside(t *testing.T) {
	p := testPages(testSettings())
	p.evidence = func(string) (ledger.Entry, bool) { panic("secret") }
	w := get(t, p, "/help/tls-version?domain=old.example")
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") || w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "", time.Hour: "60\u00a0Minuten", 90 * time.Minute: "90\u00a0Minuten", 47 * time.Hour: "47\u00a0Stunden", 120 * time.Hour: "5\u00a0Tage"} {
		if got := span("de", d); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
}

// A page about a domain with much mail is that about one with little, and looks the same after each mail of the hour.
func TestPagesTellNothingOfTheMail(t *testing.T) {
	page := func(messages int, fails bool) string {
		l := ledger.New()
		seen := ledger.Seen{Host: "mx.busy.example", Cause: "tls-version", Needed: "1.2", Answer: "to anna@busy.example at 192.0.2.7", Probed: today}
		began := today.Truncate(time.Hour)
		for n := range messages * ledger.MaxAttempts {
			l.Note("busy.example", []ledger.Seen{seen}, began.Add(time.Duration(n)*time.Millisecond))
		}
		if !fails {
			for n := range messages {
				l.Delivered("busy.example", "TLS 1.3", began.Add(10*time.Minute+time.Duration(n)*time.Second))
			}
		}
		p := testPages(testSettings())
		p.evidence = l.Domain
		return get(t, p, "/help/tls-version?domain=busy.example").Body.String()
	}
	for _, fails := range []bool{true, false} {
		if few, many := page(1, fails), page(1000, fails); few != many || !strings.Contains(few, "<span>20&#43;</span>") {
			t.Errorf("fails: %v\n%s\n%s", fails, few, many)
		}
	}
	if text := page(1, true); strings.Contains(text, "anna") || strings.Contains(text, "192.0.2.7") {
		t.Error(text)
	}
}
