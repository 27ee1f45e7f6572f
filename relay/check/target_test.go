package check

import (
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]Target{
		"Example.ORG":           {Domain: "example.org"},
		"example.org.":          {Domain: "example.org"},
		"anna@example.org":      {Domain: "example.org"},
		"bücher.example":        {Domain: "xn--bcher-kva.example"},
		"MX.example.org:25":     {Host: "mx.example.org", Port: 25},
		"mx.example.org:465":    {Host: "mx.example.org", Port: 465, Implicit: true},
		"localhost:2525":        {Host: "localhost", Port: 2525},
		"192.0.2.1":             {Host: "192.0.2.1"},
		"192.0.2.1:587":         {Host: "192.0.2.1", Port: 587},
		"2001:db8::1":           {Host: "2001:db8::1"},
		"[2001:DB8::1]":         {Host: "2001:db8::1"},
		"[IPv6:2001:db8::1]":    {Host: "2001:db8::1"},
		"[2001:db8::1]:465":     {Host: "2001:db8::1", Port: 465, Implicit: true},
		"[192.0.2.1]":           {Host: "192.0.2.1"},
		"[::ffff:192.0.2.1]:25": {Host: "192.0.2.1", Port: 25},
	} {
		want.Text = text
		if got, err := ParseTarget(text, false); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	if got, err := ParseTarget("mx.example.org:4650", true); err != nil || !got.Implicit {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseTargetRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "there is no name",
		"anna@":               "there is no name",
		"mx.example.org:smtp": `a port is a number from 1 to 65535, as in mx.example.org:25`,
		"mx.example.org:0":    "a port is a number",
		":25":                 "there is no name",
		"https://example.org": "a port is a number",
		"exa mple.org":        "allowed are letters",
		"1.2.3":               "ends in a number",
		"[192.0.2.1":          "there is no name",
		"evil\x1b[31m.test":   `"evil\x1b[31m.test" cannot be checked`,
		"-v.example":          "starts or ends with a hyphen",
	} {
		_, err := ParseTarget(text, false)
		if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := ParseTarget("example.org", true); err == nil || !strings.Contains(err.Error(), "example.org:465") {
		t.Errorf("%v", err)
	}
}
