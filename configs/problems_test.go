package configs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProblemsPrintOneLineEach(t *testing.T) {
	ps := Problems{
		{File: "a.toml", Line: 7, Key: "tls.floor", Text: "is wrong"},
		{File: "a.toml", Key: "hostname", Text: "line\nbreak \x1b[31m"},
		{File: "a.toml", Line: 2, Text: "this is not TOML"},
	}
	want := "a.toml: hostname: line?break ?[31m\na.toml:2: this is not TOML\na.toml:7: tls.floor: is wrong"
	if diff := cmp.Diff(want, ps.err().Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := (Problems{}).err(); err != nil {
		t.Errorf("no problems are the error %v", err)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"hostname", "data_dir", "listener", "tls", "dns", "port"}
	for word, want := range map[string]string{
		"hostnme": "hostname", "HostName": "hostname", "listners": "listener", "data-dir": "data_dir",
		"DNS": "dns", "tsl": "",
		"prot": "port", "admin": "", "x": "", "": "", "name": "", "ls": "tls",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ab", 1}, {"abc", "xabc", 1}, {"abc", "acb", 2},
		{"kitten", "sitting", 3}, {"", "abc", 3}, {"abc", "abcdefgh", 4},
	} {
		for _, got := range []int{distance(tc.a, tc.b, 4), distance(tc.b, tc.a, 4)} {
			if got != tc.want {
				t.Errorf("distance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
			}
		}
	}
}
