package notice

import (
	"strings"
	"testing"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"550 5.1.1  no\tsuch user ":    "550 5.1.1 no such user",
		"Grüße, 你好":                    "Grüße, 你好",
		"\x1b[31mred\x1b[0m":           "?[31mred?[0m",
		"\x1b]0;title\x07":             "?]0;title?",
		"a\u202eb\u2066c\u200bd\ufeff": "a?b?c?d?",
		"a\u2028b\u0085c\r\nd":         "a b c d",
		"latin\xe9\xff":                "latin??",
		"nul\x00":                      "nul?",
		"\u009b31m":                    "?31m",
		"e\U000E0041":                  "e?",
		strings.Repeat("ä", 40):        strings.Repeat("ä", 27) + "...",
		strings.Repeat("ä", 30):        strings.Repeat("ä", 30),
		strings.Repeat("x", 1<<20):     strings.Repeat("x", 27) + "...",
	} {
		if got := plain(in, 30); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestASCII(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                 "plain",
		" a \r\n\t b ":          "a b",
		"a\r\nBcc: x@y":         "a Bcc: x@y",
		"é\xff\x00\x1b\x7f":     "?????",
		"\u202ea":               "?a",
		strings.Repeat("x", 50): strings.Repeat("x", 20),
	} {
		if got := ascii(in, 20); got != want {
			t.Errorf("ascii(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestHostText(t *testing.T) {
	label := strings.Repeat("a", 63)
	for in, want := range map[string]string{
		"example.org": "example.org", "MX1.example.org.": "MX1.example.org",
		"_dmarc.xn--kln-sna.example": "_dmarc.xn--kln-sna.example",
		"localhost":                  "localhost", "192.0.2.1": "192.0.2.1", "[192.0.2.1]": "[192.0.2.1]",
		"[IPv6:2001:db8::1]": "[2001:db8::1]",
		"":                   "?", "a..b": "?", "-a.b": "?", "a-.b": "?", "köln.example": "?",
		"a b": "?", "a\x1b": "?", "<a>": "?",
		"[fe80::1%a<b]":    "?",
		label + ".example": label + ".example", "a" + label + ".example": "?", strings.Repeat(label+".", 4) + "a": "?",
	} {
		if got := hostText(in); got != want {
			t.Errorf("hostText(%q) = %q, want %q", in, got, want)
		}
	}
}

// A name of a certificate does not look like another one.
func TestListedNames(t *testing.T) {
	got := list("mx.example.org, *.example.org, \u0430pple.example, 2001:db8::1, http://x,, \x1b")
	if want := "mx.example.org|*.example.org|?pple.example|2001:db8::1|http???x|?"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHelpLink(t *testing.T) {
	const link = "https://help.example.net/{cause}?d={domain}&l={lang}&i={id}&x={other}"
	for _, tt := range []struct{ cause, domain, want string }{
		{"tls-version", "example.org", "https://help.example.net/tls-version?d=example.org&l=de&i=0e9x&x={other}"},
		{"a/b?c#d%{domain}", "exa mple.org&x=1",
			"https://help.example.net/a%2Fb%3Fc%23d%25%7Bdomain%7D?d=&l=de&i=0e9x&x={other}"},
		{"ä\n", "\x1b[2J", "https://help.example.net/%C3%A4%0A?d=&l=de&i=0e9x&x={other}"},
	} {
		if got := helpLink(link, tt.cause, tt.domain, "de", "0e9x"); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if got := helpLink("", "a", "b", "c", "d"); got != "" {
		t.Errorf("no link became %q", got)
	}
}
