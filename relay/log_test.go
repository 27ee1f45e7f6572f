package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"tlsrelay/configs"
)

// A log line is one line, and does a terminal nothing, whatever is in it; JSON still says what it was.
func TestLogIsHarmless(t *testing.T) {
	evil := "a\x1b]0;x\x07\n{\"level\":\"INFO\"}\r\u0085\u009b31m\u202e\u2066\u200b\ufeff\u2028\x7f\xff\U000e0041 Grüße"
	for _, format := range []configs.LogFormat{configs.LogJSON, configs.LogText} {
		var out strings.Builder
		log := newLog(&configs.Config{Log: configs.Log{Format: format}}, &out)
		log.With("client", evil).Info("refused", "name", evil, "error", errors.New(evil), evil, []string{evil}, "any", fmt.Stringer(stringer(evil)))
		line, ended := strings.CutSuffix(out.String(), "\n")
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 || !ended {
			t.Errorf("%s: %q", format, line)
		}
		if format == configs.LogText {
			continue
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(evil, "\ufffd"); got["name"] != want || got["client"] != want {
			t.Errorf("%q, want %q", got["name"], want)
		}
	}
}

type stringer string

func (s stringer) String() string { return string(s) }
