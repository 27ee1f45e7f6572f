package dns

import (
	"strings"
	"testing"
)

func TestCleanName(t *testing.T) {
	long := strings.Repeat("a", 63)
	tests := []struct {
		in, want string
		ok       bool
	}{
		{"MX.Example.ORG.", "mx.example.org", true},
		{"_dmarc.example.org", "_dmarc.example.org", true},
		{"xn--bcher-kva.example", "xn--bcher-kva.example", true},
		{"org", "org", true},
		{long + ".example", long + ".example", true},
		{long + "a.example", "", false},
		{strings.Repeat("a.", 127) + "aa", "", false},
		{"", "", false},
		{".", "", false},
		{"a..b", "", false},
		{"example.org..", "", false},
		{"192.0.2.1", "", false},
		{"192.0.2.1.", "", false},
		{"::1", "", false},
		{"[192.0.2.1]", "", false},
		{"bücher.example", "", false},
		{"a b.example", "", false},
		{"a\nb.example", "", false},
		{`a\.b.example`, "", false},
		{"a/b", "", false},
	}
	for _, tt := range tests {
		if got, ok := cleanName(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("cleanName(%q) = %q, %v, want %q, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}
