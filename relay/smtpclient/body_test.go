package smtpclient

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// canon brings text into the form for DATA, in pieces cut at random.
func canon(text string) (string, error) {
	var out []byte
	w := wireText{dots: true, lineStart: true}
	for rest := []byte(text); len(rest) > 0; {
		n := 1 + rand.IntN(len(rest))
		var err error
		if out, err = w.append(out, rest[:n]); err != nil {
			return "", err
		}
		rest = rest[n:]
	}
	return string(w.end(out)) + ".\r\n", nil
}

func TestWireText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"canonical", "A: b\r\n\r\ntext\r\n", "A: b\r\n\r\ntext\r\n.\r\n"},
		{"empty", "", ".\r\n"},
		{"last line without end", "a", "a\r\n.\r\n"},
		{"bare LF", "a\nb\n", "a\r\nb\r\n.\r\n"},
		{"stray CR", "a\rb\r\n", "a b\r\n.\r\n"},
		{"CR CR LF", "a\r\r\nb\r\n", "a \r\nb\r\n.\r\n"},
		{"CR at the end", "a\r", "a \r\n.\r\n"},
		{"LF CR", "a\n\rb", "a\r\n b\r\n.\r\n"},
		{"dots", ".\r\n..\r\n.a\r\na.\r\n", "..\r\n...\r\n..a\r\na.\r\n.\r\n"},
		{"dot behind bare LF", "a\n.\nMAIL FROM:<>\n", "a\r\n..\r\nMAIL FROM:<>\r\n.\r\n"},
		{"dot behind stray CR", "a\r.\r\n", "a .\r\n.\r\n"},
		{"dot behind LF CR", "a\n\r.\r\n", "a\r\n .\r\n.\r\n"},
		{"8 bit", "gr\xfc\xdfe\r\n", "gr\xfc\xdfe\r\n.\r\n"},
	}
	for _, tt := range tests {
		for range 20 {
			if got, err := canon(tt.in); err != nil || got != tt.want {
				t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
				break
			}
		}
	}
	for _, in := range []string{"\x00", "a\x00b", "a\r\n\x00", "a\r\x00", "a\n.\x00\n"} {
		if got, err := canon(in); !errors.Is(err, ErrBody) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// FuzzBody checks what no server can misread, and that nothing but line ends and dots is changed.
func FuzzBody(f *testing.F) {
	for _, s := range []string{"", "a\r\n.\r\nb", "\n.\n", "\r.\r", "\r\r\n.\r\n", "a\x00", "..", "\r\n.\r"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := canon(in)
		if hasNUL := strings.Contains(in, "\x00"); hasNUL != (err != nil) {
			t.Fatalf("NUL: %v, error %v", hasNUL, err)
		}
		if err != nil {
			return
		}
		text, ok := strings.CutSuffix(out, ".\r\n")
		if !ok || text != "" && !strings.HasSuffix(text, "\r\n") {
			t.Fatalf("%q does not end in a dot on a line of its own", out)
		}
		var plain strings.Builder
		for line := range strings.SplitAfterSeq(text, "\r\n") {
			if strings.ContainsAny(strings.TrimSuffix(line, "\r\n"), "\r\n\x00") {
				t.Fatalf("line %q", line)
			}
			if strings.HasPrefix(line, ".") && !strings.HasPrefix(line, "..") {
				t.Fatalf("bare dot in %q", line)
			}
			plain.WriteString(strings.TrimPrefix(line, "."))
		}
		if got, want := strip(plain.String()), strip(in); got != want {
			t.Fatalf("%q became %q", want, got)
		}
	})
}

// strip leaves what must survive: all but line ends and spaces.
func strip(s string) string {
	return strings.NewReplacer("\r", "", "\n", "", " ", "").Replace(s)
}
