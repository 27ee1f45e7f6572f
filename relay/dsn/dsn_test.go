package dsn

import (
	"strings"
	"testing"
)

func TestEnvelopeID(t *testing.T) {
	for in, want := range map[string]string{
		"QQ314159": "QQ314159", "a+2Bb+3Dc": "a+b=c", "a+20b": "a b", strings.Repeat("x", 100): strings.Repeat("x", 100),
	} {
		got, err := ParseEnvelopeID(in)
		if err != nil || got != want || Encode(got) != in {
			t.Errorf("ParseEnvelopeID(%q) = %q, %v, encoded %q", in, got, err, Encode(got))
		}
	}
	for in, says := range map[string]string{
		"": "value", strings.Repeat("x", 101): "longer than 100", "a=b": "xtext", "a b": "xtext", "a+": "xtext", "a+4": "xtext",
		"a+zz": "xtext", "a+2b": "xtext", "a+0D+0ARSET": "printable ASCII", "a+00": "printable ASCII", "a+7F": "printable ASCII",
		"a+09b": "printable ASCII", "a+C3+BC": "printable ASCII", "ü": "printable ASCII", "a\x7f": "xtext",
	} {
		if got, err := ParseEnvelopeID(in); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParseEnvelopeID(%q) = %q, %v; want an error with %q", in, got, err, says)
		}
	}
}

func TestOriginalRecipient(t *testing.T) {
	for _, tc := range []struct{ in, want, wire, field string }{
		{"rfc822;user@example.org", "rfc822;user@example.org", "", "rfc822; user@example.org"},
		{"RFC822;a+2Bb@c", "rfc822;a+b@c", "rfc822;a+2Bb@c", "rfc822; a+b@c"},
		{"rfc822;+22a+20b+22@c", `rfc822;"a b"@c`, "rfc822;\"a+20b\"@c", `rfc822; "a b"@c`},
		{`utf-8;\x{FC}@b\x{FC}cher.example`, "utf-8;ü@bücher.example", "", `utf-8; \x{FC}@b\x{FC}cher.example`},
		{"utf-8;ü@x", "utf-8;ü@x", `utf-8;\x{FC}@x`, `utf-8; \x{FC}@x`},
		{`utf-8;a\x{2B}b@x`, "utf-8;a+b@x", "", `utf-8; a\x{2B}b@x`},
		{"x400;c+3Dus;a+3D+20", "x400;c=us;a= ", "x400;c+3Dus;a+3D+20", "x400; c=us;a= "},
	} {
		got, err := ParseOriginalRecipient(tc.in)
		if tc.wire == "" {
			tc.wire = tc.in
		}
		if err != nil || got != tc.want || EncodeOriginalRecipient(got) != tc.wire || Field(got) != tc.field {
			t.Errorf("%q is %q, %v; on the wire %q, in a field %q", tc.in, got, err, EncodeOriginalRecipient(got), Field(got))
		}
	}
	for in, says := range map[string]string{
		"": "type", "user@example.org": "type", "rfc822;": "type", ";user@x": "type", "rfc 822;u@x": "type", "a+b;u@x": "type",
		"rfc822;" + strings.Repeat("x", 494): "longer than 500", "rfc822;a+0D+0A@x": "printable ASCII", "rfc822;ü@x": "utf-8",
		"rfc822;a=b": "xtext", "rfc822;+C3+BC@x": "utf-8", `utf-8;a\x{0A}b@x`: "printable UTF-8", `utf-8;a\x{D800}`: "printable UTF-8",
		`utf-8;a\x{FFFFFF}`: "printable UTF-8", "utf-8;+0A": "printable UTF-8", "utf-8;\xff": "printable UTF-8",
		`utf-8;a\x{202E}b`: "printable UTF-8",
	} {
		if got, err := ParseOriginalRecipient(in); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParseOriginalRecipient(%q) = %q, %v; want an error with %q", in, got, err, says)
		}
	}
	for in, want := range map[string]string{"a@b": "rfc822;a@b", "ü@b": "utf-8;ü@b"} {
		if got := Typed(in); got != want {
			t.Errorf("Typed(%q) = %q", in, got)
		}
	}
}

// Whatever a client sends: what is taken has no control characters, is the same after another round, and never ends the
// parameter or the line it is put in.
func FuzzParameters(f *testing.F) {
	for _, s := range []string{"QQ+2B", "a+0D+0A", "rfc822;a+2Bb@c", `utf-8;\x{FC}@x`, `utf-8;\x{0A}`, "utf-8;ü", `utf-8;\x{5C}x{41}`} {
		f.Add(s)
	}
	safe := func(t *testing.T, wire string) {
		if strings.ContainsFunc(wire, func(r rune) bool { return r <= ' ' || r > '~' || r == '=' }) {
			t.Fatalf("%q goes on the wire", wire)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseEnvelopeID(s); err == nil {
			safe(t, Encode(id))
			if again, err := ParseEnvelopeID(Encode(id)); err != nil || again != id || !printable(id) {
				t.Fatalf("%q is %q, then %q, %v", s, id, again, err)
			}
		}
		if original, err := ParseOriginalRecipient(s); err == nil {
			wire := EncodeOriginalRecipient(original)
			safe(t, wire)
			again, err := ParseOriginalRecipient(wire)
			if len(wire) <= maxOriginalRecipient && (err != nil || again != original) {
				t.Fatalf("%q is %q, then %q, %v", s, original, again, err)
			}
			if !printableUTF8(original) || !printable(Field(original)) {
				t.Fatalf("%q is %q", s, original)
			}
		}
	})
}
