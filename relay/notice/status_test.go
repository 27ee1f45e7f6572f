package notice

import (
	"strings"
	"testing"

	"tlsrelay/queue"
)

func TestStatus(t *testing.T) {
	for _, tt := range []struct {
		o    queue.Outcome
		kind queue.NoticeKind
		want string
	}{
		{queue.Outcome{Status: "4.7.5"}, queue.NoticeFailure, "4.7.5"}, // the lifetime ended: the cause's class stays
		{queue.Outcome{Status: "4.7.5"}, queue.NoticeDelay, "4.7.5"},
		{queue.Outcome{Status: "5.1.1", Result: queue.ResultFailed}, queue.NoticeFailure, "5.1.1"},
		{queue.Outcome{Status: "5.7.1"}, queue.NoticeDelay, "4.7.1"},
		{queue.Outcome{Status: "2.0.0"}, queue.NoticeFailure, "5.0.0"},
		{queue.Outcome{Status: "9.9.9", Cause: "connection-refused"}, queue.NoticeFailure, "4.4.1"},
		{queue.Outcome{Status: "5.1.1\r\nX: y", Cause: "null-mx"}, queue.NoticeFailure, "5.1.10"},
		{queue.Outcome{Cause: "remote-permanent", Result: queue.ResultFailed}, queue.NoticeFailure, "5.0.0"},
		{queue.Outcome{Cause: "remote-temporary"}, queue.NoticeFailure, "4.0.0"},
		{queue.Outcome{}, queue.NoticeDelay, "4.0.0"},
		{queue.Outcome{Status: "2.1.5", Result: queue.ResultDelivered}, queue.NoticeRelayed, "2.1.5"},
		{queue.Outcome{Result: queue.ResultDelivered}, queue.NoticeRelayed, "2.0.0"},
	} {
		if got := status(tt.o, tt.kind); got != tt.want {
			t.Errorf("status(%+v, %v) = %q, want %q", tt.o, tt.kind, got, tt.want)
		}
	}
}

func TestDiagnostic(t *testing.T) {
	for _, tt := range []struct {
		reply, detail, want string
	}{
		{"550 no", "", "smtp; 550 no"},
		{"450-later\n450 please", "seen", "smtp; 450-later\n450 please"},
		{"220 go ahead", "tls: bad", "X-Tlsrelay; tls: bad"},
		{"garbage", "", "smtp; garbage"},
		{"", "tls: bad", "X-Tlsrelay; tls: bad"},
		{"", "", ""},
	} {
		if got := diagnostic(queue.Outcome{Reply: tt.reply, Detail: tt.detail}); got != tt.want {
			t.Errorf("reply %q, detail %q: %q, want %q", tt.reply, tt.detail, got, tt.want)
		}
	}
}

func TestTypedAddress(t *testing.T) {
	for in, want := range map[string]string{
		"a@b.example":            "rfc822; a@b.example",
		`"a b"@c`:                `rfc822; "a b"@c`,
		"jörg@köln.example":      `utf-8; j\x{F6}rg@k\x{F6}ln.example`,
		"a+ü=\\@b":               `utf-8; a\x{2B}\x{FC}\x{3D}\x{5C}@b`,
		"a\r\nBcc: x":            `utf-8; a\x{0D}\x{0A}Bcc:\x{20}x`,
		"a\xff":                  "utf-8; a?",
		strings.Repeat("a", 400): "rfc822; " + strings.Repeat("a", 320),
	} {
		if got := typedAddress(in); got != want {
			t.Errorf("typedAddress(%q) = %q, want %q", in, got, want)
		}
	}
}

// A field stays one field and one value, in lines of 78 octets where it has blanks, of 998 where it has none.
func TestFieldFolds(t *testing.T) {
	for value, want := range map[string]string{
		"short":       "X: short\r\n",
		"a\r\nBcc: b": "X: a Bcc: b\r\n",
		"smtp; " + strings.Repeat("word ", 20): "X: smtp;" + strings.Repeat(" word", 14) + "\r\n" +
			strings.Repeat(" word", 6) + "\r\n",
		"smtp; " + strings.Repeat("x", 2000): "X: smtp;\r\n " + strings.Repeat("x", maxDiagnostic-6) + "\r\n",
		"":                                   "X:\r\n",
	} {
		var b builder
		b.field("X", value, maxDiagnostic)
		if got := b.String(); got != want {
			t.Errorf("%q became\n%q, want\n%q", value, got, want)
		}
	}
}
