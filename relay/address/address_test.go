package address

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	long64, long63 := strings.Repeat("l", 64), strings.Repeat("d", 63)
	for _, tc := range []struct {
		in, local, domain string
	}{
		{"user@example.org", "user", "example.org"},
		{"User.Name+tag@Example.ORG", "User.Name+tag", "example.org"},
		{"!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~", "x"},
		{"v%ext@us.test", "v%ext", "us.test"},
		{"x@localhost", "x", "localhost"},
		{"a.@b", "a.", "b"}, // such mailboxes exist
		{"a..b@c", "a..b", "c"},
		{"u@a_b.org", "u", "a_b.org"},
		{`"user"@example.org`, "user", "example.org"},
		{`"a.b"@example.org`, "a.b", "example.org"},
		{`"a b"@example.org`, `"a b"`, "example.org"},
		{`""@example.org`, `""`, "example.org"},
		{`".a"@example.org`, `".a"`, "example.org"},
		{`"\a\"\\"@example.org`, `"a\"\\"`, "example.org"},
		{`"v@ext"@us.test`, `"v@ext"`, "us.test"},
		{`"v@victim> NOTIFY=NEVER X"@ok.test`, `"v@victim> NOTIFY=NEVER X"`, "ok.test"},
		{"u@bücher.example", "u", "xn--bcher-kva.example"},
		{"u@BÜCHER.example", "u", "xn--bcher-kva.example"},
		{"u@XN--bcher-KVA.example", "u", "xn--bcher-kva.example"},
		{"u@1and1.de", "u", "1and1.de"},
		{"u@[192.0.2.1]", "u", "[192.0.2.1]"},
		{"u@[ipv6:2001:DB8:0::1]", "u", "[IPv6:2001:db8::1]"},
		{"u@[IPv6:::ffff:192.0.2.1]", "u", "[IPv6:::ffff:192.0.2.1]"},
		{long64 + "@example.org", long64, "example.org"},
		{"u@" + long63 + ".org", "u", long63 + ".org"},
	} {
		a, err := Parse(tc.in)
		if err != nil || a.Local != tc.local || a.Domain != tc.domain {
			t.Errorf("Parse(%q) = %q, %q, %v; want %q, %q", tc.in, a.Local, a.Domain, err, tc.local, tc.domain)
		}
		if again, err := Parse(a.String()); err != nil || again != a {
			t.Errorf("Parse(%q) a second time = %v, %v", a.String(), again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	domain255 := strings.Repeat(strings.Repeat("d", 63)+".", 3) + strings.Repeat("e", 62)
	for _, tc := range []struct{ in, says string }{
		{"", "is empty"},
		{"@example.org", "is empty"},
		{"user", "no @"},
		{"user@", "domain after the @ is empty"},
		{"a@b@c", "more than one @"},
		{`"a"b@c`, "before the @"},
		{"a b@c", "a space"},
		{"a@b c", "a space"},
		{"a<b@c", "the character <"},
		{"a@b>c", "the character >"},
		{"a\r@b", "control character"},
		{"a@b\r\n", "control character"},
		{"a@b\x00c", "control character"},
		{"\"a\nb\"@c", "control character"},
		{"\"a\\\rb\"@c", "control character"},
		{"\"a\x7fb\"@c", "control character"},
		{`"a@c`, "closing double quote"},
		{`"a\"@c`, "closing double quote"},
		{`"a\`, "closing double quote"},
		{"ü@example.org", "SMTPUTF8"},
		{`"ü"@example.org`, "SMTPUTF8"},
		{"u@\xff\xfe.org", "internationalized"},
		{"u@ü_b.org", "internationalized"},
		{"u@example.org.", "a dot too many"},
		{"u@a..b", "a dot too many"},
		{"u@-a.org", "hyphen"},
		{"u@a-.org", "hyphen"},
		{"u@192.0.2.1", "square brackets"},
		{"u@[192.0.2.1", "end in ]"},
		{"u@[192.0.2.1]x", "end in ]"},
		{"u@[192.0.2.256]", "literal"},
		{"u@[2001:db8::1]", "literal"},
		{"u@[IPv6:fe80::1%eth0]", "literal"},
		{"u@[IPv6:192.0.2.1]", "literal"},
		{"u@[tag:x]", "literal"},
		{strings.Repeat("l", 65) + "@example.org", "longer than 64"},
		{"u@" + strings.Repeat("d", 64) + ".org", "longer than 63"},
		{"u@" + domain255 + "e.f", "longer than 255"},
		{"u@" + domain255, "longer than 256"},
		{strings.Repeat("x", 10000), "longer than 256"},
	} {
		a, err := Parse(tc.in)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("Parse(%q) = %v, %v; want an error with %q", tc.in, a, err, tc.says)
		}
		if a != (Address{}) {
			t.Errorf("Parse(%q) gives %v beside the error", tc.in, a)
		}
	}
}

func TestParsePath(t *testing.T) {
	for _, tc := range []struct {
		in, addr string
		null     bool
		rest     string
	}{
		{"<user@example.org>", "user@example.org", false, ""},
		{"<user@example.org> SIZE=10  BODY=8BITMIME ", "user@example.org", false, "SIZE=10  BODY=8BITMIME"},
		{"<>", "", true, ""},
		{"<> SIZE=3", "", true, "SIZE=3"},
		{`<"a>b"@c> X=1`, `"a>b"@c`, false, "X=1"},
		{`<"a\">b"@c> X=1`, `"a\">b"@c`, false, "X=1"},
		{`<"v@victim> NOTIFY=NEVER X"@ok.test>`, `"v@victim> NOTIFY=NEVER X"@ok.test`, false, ""},
	} {
		a, null, rest, err := ParsePath(tc.in)
		if err != nil || a.String() != tc.addr || null != tc.null || rest != tc.rest {
			t.Errorf("ParsePath(%q) = %q, %v, %q, %v", tc.in, a, null, rest, err)
		}
	}
	for _, tc := range []struct{ in, says string }{
		{"", "angle brackets"},
		{"user@example.org", "angle brackets"},
		{"<user@example.org", "closing angle bracket"},
		{`<"user@example.org>`, "closing angle bracket"},
		{"<user@example.org>SIZE=1", "a space or nothing"},
		{"<user@example.org>>", "a space or nothing"},
		{"<@us.test:v@ext.test>", "source routes"},
		{"<@a,@b:v@ext.test>", "source routes"},
		{"< user@example.org>", "a space"},
		{"<user>", "no @"},
	} {
		if a, _, _, err := ParsePath(tc.in); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("ParsePath(%q) = %q, %v; want an error with %q", tc.in, a, err, tc.says)
		}
	}
}

func TestParsePathUTF8(t *testing.T) {
	for in, want := range map[string]string{
		"<jörg@bücher.example> SMTPUTF8": "jörg@xn--bcher-kva.example", `<"jö rg"@x>`: `"jö rg"@x`, `<"j\ö"@x>`: "jö@x",
		`<"jörg"@x>`: "jörg@x", "<用户@例え.jp>": "用户@xn--r8jz45g.jp", "<a@b>": "a@b", "<jo\u0308rg@x>": "jo\u0308rg@x",
		"<" + strings.Repeat("ö", 32) + "@x>": strings.Repeat("ö", 32) + "@x",
	} {
		a, _, _, err := ParsePathUTF8(in)
		if err != nil || a.String() != want || a.ASCII() != isASCII(want) {
			t.Errorf("ParsePathUTF8(%q) = %q, %v; want %q", in, a, err, want)
		}
	}
	for in, says := range map[string]string{
		"<\xff@x>": "printable UTF-8", "<\xc3@x>": "printable UTF-8", "<a\u202eb@x>": "printable UTF-8", "<\"\u0085\"@x>": "printable UTF-8",
		"<a\u00a0b@x>": "printable UTF-8", "<a\u2028b@x>": "printable UTF-8", "<" + strings.Repeat("ö", 33) + "@x>": "longer than 64",
	} {
		if a, _, _, err := ParsePathUTF8(in); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParsePathUTF8(%q) = %q, %v; want an error with %q", in, a, err, says)
		}
	}
}

func TestZeroAddressPrintsNothing(t *testing.T) {
	if s := (Address{}).String(); s != "" {
		t.Errorf("the zero Address prints %q", s)
	}
}

// What parses prints to something that parses to itself and cannot break out of the brackets around it.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{
		"<user@example.org> SIZE=1", "<>", `<"v@victim> NOTIFY=NEVER X"@ok.test>`, "<u@bücher.example>",
		"<u@[IPv6:2001:db8::1]>",
		"<a@b@c>", "<@us:v@ext>", "<u@faß.de>", "<u@ａ。b>", `<"\\\""@x>`, "<u@xn--a>",
		"<jörg@bücher.example>", `<"j\ö \""@x>`, "<a\u202eb@x>", "<\xff\"@x>",
	} {
		f.Add(s)
	}
	printable := func(s string) bool {
		return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) })
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, null, _, err := ParsePathUTF8(s)
		if narrow, _, _, bad := ParsePath(s); (bad == nil) != (err == nil && a.ASCII()) || bad == nil && narrow != a {
			t.Fatalf("%q is %q, %v; without SMTPUTF8 %q, %v", s, a, err, narrow, bad)
		}
		if err != nil {
			for i := range len(err.Error()) {
				if c := err.Error()[i]; c < ' ' || c > 126 {
					t.Fatalf("the error for %q is not printable ASCII: %q", s, err)
				}
			}
			return
		}
		wire := a.String()
		if null != (wire == "") {
			t.Fatalf("%q: null %v, address %q", s, null, wire)
		}
		if !printable(wire) || !isASCII(a.Domain) || a.ASCII() != isASCII(wire) {
			t.Fatalf("%q prints as %q", s, wire)
		}
		if len(wire) > 254 || pathEnd(wire) >= 0 {
			t.Fatalf("%q prints as %q, which does not fit in its brackets", s, wire)
		}
		again, _, rest, err := ParsePathUTF8("<" + wire + ">")
		if err != nil || again != a || rest != "" {
			t.Fatalf("%q prints as %q, which parses to %q, %q, %v", s, wire, again, rest, err)
		}
	})
}
