package main

import (
	"bufio"
	"bytes"
	"io"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/relay/address"
)

func TestAddresses(t *testing.T) {
	for value, want := range map[string][]string{
		"a@b.test":                                {"a@b.test"},
		"a@b.test, c@d.test ,e@f.test,":           {"a@b.test", "c@d.test", "e@f.test"},
		"a@b.test; c@d.test":                      {"a@b.test", "c@d.test"},
		"root":                                    {"root"},
		"Jane Doe <a@b.test>, root":               {"a@b.test", "root"},
		`"Doe, Jane" <a@b.test>`:                  {"a@b.test"},
		`"a \" , b" <a@b.test>`:                   {"a@b.test"},
		`x@y.test <a@b.test> (and (more) \) c)`:   {"a@b.test"},
		"a@b.test (Jane, Doe)":                    {"a@b.test"},
		"a(x)@(y)b.test":                          {"a@b.test"},
		"a . b @ c . test":                        {"a.b@c.test"},
		"Jane Doe":                                {"Jane Doe"},
		`"a,b"@c.test, "d e"@f.test`:              {`"a,b"@c.test`, `"d e"@f.test`},
		`<"a>b"@c.test>`:                          {`"a>b"@c.test`},
		"<@x.test,@y.test:a@b.test>":              {"a@b.test"},
		"a@[IPv6:2001:db8::1], b@[192.0.2.1]":     {"a@[IPv6:2001:db8::1]", "b@[192.0.2.1]"},
		"undisclosed-recipients:;":                nil,
		"friends: a@b.test, X <c@d.test>;, e@f.g": {"a@b.test", "c@d.test", "e@f.g"},
		"Jörg <j@b.test>":                         {"j@b.test"},
		"":                                        nil,
		"<>, ,;":                                  nil,
	} {
		got, err := addresses(value)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", value, err, diff)
		}
	}
	// What could hide a recipient is refused.
	for value, says := range map[string]string{
		"x@y.test, (a@b.test":         "a ) is missing",
		`"Jane <a@b.test>`:            `a " is missing`,
		"<a@b.test, c@d.test":         "a > is missing",
		"a@[192.0.2.1":                "a ] is missing",
		"<a@b.test> c@d.test":         "comma",
		"<a@b.test> <c@d.test>":       "two pairs",
		"<a@b.test> group: c@d.test;": "comma",
		`<a@b.test>"c"@d.test`:        "comma",
	} {
		if got, err := addresses(value); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
}

// FuzzAddresses compares with a reader of other origin: what that understands, this one understands in the same way.
func FuzzAddresses(f *testing.F) {
	for _, s := range []string{
		"a@b.test, \"x\" <c@d.test>", "g: a@b, c@d;, e@f", "(c(d)\\))a@b", "<@x:a@b>", "a . b@c", `"a\"b"@c.test`, "a@[1.2.3.4]",
		"<a@b> c@d", "=?utf-8?q?x?= <a@b>", `<"a>b"@c>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, err := addresses(value)
		for _, a := range got {
			if a == "" {
				t.Fatalf("an empty address in %q", got)
			}
			if parsed, bad := address.Parse(a); bad == nil && strings.ContainsAny(parsed.String(), "\r\n\x00") {
				t.Fatalf("%q comes to the wire", parsed)
			}
		}
		theirs, bad := mail.ParseAddressList(value)
		if bad != nil {
			return
		}
		var want []string
		for _, m := range theirs {
			a, bad := address.Parse(m.String()[strings.LastIndexByte(m.String(), '<')+1 : len(m.String())-1])
			if bad != nil {
				return // not for this world
			}
			want = append(want, a.String())
		}
		var canonical []string
		for _, a := range got {
			parsed, bad := address.Parse(a)
			if bad != nil {
				t.Fatalf("%q: %q is none (%v), want %q", value, a, bad, want)
			}
			canonical = append(canonical, parsed.String())
		}
		if diff := cmp.Diff(want, canonical); err != nil || diff != "" {
			t.Fatalf("%q: %v %s", value, err, diff)
		}
	})
}

// FuzzLetter: whatever comes in, what goes out is one message with the same text, and tells nobody of blind copies.
func FuzzLetter(f *testing.F) {
	for _, s := range []string{
		"To: a@b\nBcc: c@d\n\nhi\n.\n..\n", "From x\nTo: a\r\n b\r\n\r\n\r.\r\n", "no header", ".\n.", "a:\n.b: c\n", "\r\r\n.\r\n", "x\r",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		text, err := hold(bytes.NewReader(in), true)
		if err != nil {
			t.Fatal(err)
		}
		defer text.close()
		l, err := readLetter(text)
		if err != nil {
			return // refused
		}
		l.recipients()
		var out bytes.Buffer
		if err := l.writeTo(bufio.NewWriter(&out), "From: x\r\n"); err != nil {
			t.Fatal(err)
		}
		wire := out.String()
		if strings.Contains("\r\n"+wire, "\r\n.\r\n") || strings.Count(wire, "\n") != strings.Count(wire, "\r\n") || !strings.HasSuffix(wire, "\r\n") {
			t.Fatalf("%q becomes %q", in, wire)
		}
		read, err := io.ReadAll(textproto.NewReader(bufio.NewReader(strings.NewReader(wire + ".\r\n"))).DotReader())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range l.fields {
			raw := strings.ReplaceAll(string(f.Raw), "\r\n", "\n")
			if !isOneOf(f, dropped) && !strings.Contains(string(read), raw) {
				t.Fatalf("%q is lost of %q", raw, in)
			}
		}
		head, _, _ := strings.Cut(wire, "\r\n\r\n")
		for line := range strings.Lines(head) {
			if name, _, _ := strings.Cut(line, ":"); strings.EqualFold(strings.TrimSpace(name), "bcc") && line[0] != ' ' && line[0] != '\t' {
				t.Fatalf("%q still has %q", in, line)
			}
		}
	})
}
