package queue

import (
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"550 no":           "550 no",
		"550-a\r\n550 b\n": "550-a / 550 b / ",
		"Grüße, 你好, नमस्ते, ภาษาไทย": "Grüße, 你好, नमस्ते, ภาษาไทย",
		"Tiê\u0302\u0301ng":                       "Tiê\u0302\u0301ng",
		"\x1b[2J\x1b]0;x\x07\x7f":                 "?[2J?]0;x??",
		"a\u009b31m\u0085b":                       "a?31m?b",
		"a\u202eb\u2066c\u200bd":                  "a?b?c?d",
		"\ufeffa\u2028b\u00adc":                   "?a?b?c",
		"latin\xe9, nul\x00":                      "latin?, nul?",
		"a\u3164b\u115fc\u2800d":                  "a?b?c?d", // fillers and a blank that are no spaces
		"a\U000E0041\ue000":                       "a??",
		"pay\u034fpal":                            "pay?pal",
		"\u2764\ufe0f x\U000E0101y":               "\u2764 xy",
		"z" + strings.Repeat("\u0353\u0489", 500): "z" + strings.Repeat("\u0353\u0489", 2),
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}
