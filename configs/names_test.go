package configs

import (
	"strings"
	"testing"
)

func TestDomainPattern(t *testing.T) {
	label := strings.Repeat("a", 63)
	long := label + "." + label + "." + label + "." + label[:61]
	for in, want := range map[string]string{
		"example.org": "example.org", "EXAMPLE.Org": "example.org", ".example.org": ".example.org", "localhost": "localhost",
		"bücher.example": "xn--bcher-kva.example", ".BÜCHER.example": ".xn--bcher-kva.example", "1.example": "1.example",
		long: long,
		// "" for what is no domain
		"": "", ".": "", "*": "", "..example.org": "", "example.org.": "", "example..org": "", "-a.example": "",
		"a-.example": "", "a_b.example": "", "a b.example": "", "192.0.2.1": "", "::1": "", "[192.0.2.1]": "",
		"a@b.example": "", "*.example": "",
		label + "a.example": "", long + "a": "", "a.example:25": "",
	} {
		got, ok := domainPattern(in)
		if ok != (want != "") || (ok && got != want) {
			t.Errorf("domainPattern(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
}

func TestNormalHost(t *testing.T) {
	for in, want := range map[string]string{
		"a.example": "a.example:26", "A.example:587": "a.example:587", "192.0.2.1": "192.0.2.1:26",
		"192.0.2.1:25": "192.0.2.1:25",
		"2001:db8::1":  "[2001:db8::1]:26", "[2001:DB8::1]": "[2001:db8::1]:26", "[2001:db8::1]:25": "[2001:db8::1]:25",
		"localhost:2525": "localhost:2525",
		// "" for what is no host
		"": "", ":25": "", "a.example:": "", "a.example:0": "", "a.example:65536": "", "a.example:smtp": "",
		"a.example:-1": "",
		"a b":          "", "[a.example:25": "", "a.example:25:25": "", "smtp://a.example": "",
	} {
		got, ok := normalHost(in, 26)
		if ok != (want != "") || got != want {
			t.Errorf("normalHost(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
}

func TestHelpURL(t *testing.T) {
	for _, good := range []string{
		"", "https://help.example.net", "http://127.0.0.1:8080/{cause}",
		"https://help.example.net/{lang}/{cause}?d={domain}&i={id}#{cause}",
		"https://help.example.net?{cause}", "HTTPS://help.example.net/",
	} {
		if why := helpURLProblem(good); why != "" {
			t.Errorf("%q: %s", good, why)
		}
	}
	for _, bad := range []string{
		"help", "//help.example.net", "https://", "https:///x", "mailto:help@example.net", "javascript:alert(1)//",
		"https://{domain}", "https://x.{domain}/", "https://a:b@help.example.net/", "https://{id}@help.example.net/",
		"{cause}://help.example.net/", "https://help.example.net/{}", "https://help.example.net/{{cause}}",
		"https://help.example.net/{Cause}", "https://help.example.net/}{", "https://help.example.net/ü",
		"https://help.example.net/<x>", "https://help.example.net/\"", "https://help.example.net/%zz",
		"https://help example/",
	} {
		if why := helpURLProblem(bad); why == "" {
			t.Errorf("%q is accepted", bad)
		}
	}
}
