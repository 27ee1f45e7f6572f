package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	for language, sentence := range map[string]string{
		"en": "The mail server responsible for old.example supports neither TLS 1.2 nor\nTLS 1.3.",
		"de": "Der für old.example zuständige Mailserver unterstützt weder TLS 1.2 noch\nTLS 1.3.",
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			if code := run([]string{"demo", "--language", language}, streams{nil, &out, &errs}); code != exitDone {
				t.Fatalf("exit code %d: %s", code, errs.String())
			}
			for _, want := range []string{
				"delivered  anna@modern.example over TLS 1.3",
				"deferred   anna@old.example, attempt 1: tls-version (4.7.5)",
				"failed     anna@plain.example",
				"https://help.example.net/mail/tls-version?domain=old.example&lang=" + language,
				sentence,
			} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the demo does not show %q:\n%s", want, out.String())
				}
			}
			for line := range strings.Lines(out.String()) {
				if len([]rune(line)) > 121 {
					t.Errorf("a line too long to read: %q", line)
				}
			}
		})
	}
}
