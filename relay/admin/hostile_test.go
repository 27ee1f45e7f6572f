package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"tlsrelay/queue"
)

// FuzzMessage has a remote say what it likes: a listing shows it in one line each, without what does something to a terminal.
func FuzzMessage(f *testing.F) {
	f.Add("550 no", "detail", "mx.example.org", "alert 70", "mx.example.org", "Example CA")
	f.Add("\x1b[2J\r\n550 x", "\u009b31m", "\x1b", "\u202e", "\ufeff,\x7f", "CN=\u2066\n\xff")
	f.Add("", strings.Repeat("x", maxDiagnostic-1)+"\u202e", "\u3164", "\u2028", "a\u0301\u0301\u0301\u0301\u0301", "\U000e0041")
	f.Fuzz(func(t *testing.T, reply, detail, host, seen, names, issuer string) {
		now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
		item := queue.Item{Recipients: []queue.Recipient{{
			Last: queue.Outcome{Reply: reply, Detail: detail, Host: host},
			Evidence: []queue.Evidence{{Host: host, Seen: seen, Probed: now,
				Certificate: queue.CertificateFacts{Names: names, Issuer: issuer, NotAfter: now}}},
		}}}
		m := newMessage(&item)
		r := m.Recipients[0]
		e := r.Evidence[0]
		for _, text := range []string{r.Diagnostic, r.Host, e.Host, e.Seen, e.Certificate.Names, e.Certificate.Issuer} {
			if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }); i >= 0 {
				t.Fatalf("%q", text)
			}
			if strings.ContainsAny(text, "\u3164\u115f\u2800\ufe0f") || strings.Contains(text, strings.Repeat("\u0301", 5)) {
				t.Fatalf("%q hides or floods", text)
			}
		}
		if len(r.Diagnostic) > 4*maxDiagnostic {
			t.Fatalf("%d bytes of diagnostic", len(r.Diagnostic))
		}
		b, err := json.Marshal(m)
		if err != nil || strings.ContainsFunc(string(b), unicode.IsControl) {
			t.Fatalf("%q, %v", b, err)
		}
	})
}
