package notice

import (
	"slices"
	"strings"
	"testing"
)

func TestFill(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 20))
	for in, want := range map[string]string{
		"":                             "\n",
		"\n\na\nb\n\n\n\nc\n\n":        "a b\n\nc\n",
		"a\n    kept  as is\nb":        "a\n    kept  as is\nb\n",
		"a\n> quoted\n> twice\n":       "a\n> quoted\n> twice\n",
		"# Köln\ntext":                 "Köln\n----\ntext\n",
		long:                           long[:74] + "\n" + long[75:] + "\n",
		"a " + strings.Repeat("x", 90): "a\n" + strings.Repeat("x", 90) + "\n",
	} {
		if got := fill(in); got != want {
			t.Errorf("fill(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWrapKeepsNumbers(t *testing.T) {
	for _, tt := range []struct {
		in    string
		limit int
		want  []string
	}{
		{"neither TLS 1.2 nor TLS 1.3.", 12, []string{"neither", "TLS 1.2 nor", "TLS 1.3."}},
		{"on 5 March 2026, 10:00 or so", 12, []string{"on 5 March 2026, 10:00", "or so"}},
		{"5. März", 4, []string{"5. März"}},
		{strings.TrimSpace(strings.Repeat("1 ", 40)), 30, []string{strings.TrimSpace(strings.Repeat("1 ", 15)),
			strings.TrimSpace(strings.Repeat("1 ", 15)), strings.TrimSpace(strings.Repeat("1 ", 10))}},
	} {
		if got := wrap(tt.in, tt.limit); !slices.Equal(got, tt.want) {
			t.Errorf("wrap(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

func TestTable(t *testing.T) {
	got := table("Nötig", "TLS 1.2", "empty", "", "zero", 0, "Versuche", 3, "An", []string{"a@b", "c@d"},
		"lang", strings.Repeat("word ", 20))
	want := strings.Join([]string{
		"    Nötig       TLS 1.2",
		"    Versuche    3",
		"    An          a@b",
		"                c@d",
		"    lang        word word word word word word word word word word word word",
		"                word word word word word word word word",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := table("a", "", "b", 0); got != "" {
		t.Errorf("table without values is %q", got)
	}
}

func TestQuote(t *testing.T) {
	got := quote("550 no\n\n# not a heading\n" + strings.Repeat("é", 100))
	want := "> 550 no\n> # not a heading\n> " + strings.Repeat("é", columns-2) + "\n> " + strings.Repeat("é", 102-columns)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
