package notice

import (
	"mime"
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

// Addresses beyond ASCII stand in UTF-8 in a global part (RFC 6533, 3), unless they have what must not be seen.
func TestAddressField(t *testing.T) {
	for in, want := range map[string][2]string{
		"rfc822;a@b.example":                 {"rfc822; a@b.example", "rfc822; a@b.example"},
		`rfc822;"a  b"@c`:                    {`rfc822; "a  b"@c`, `rfc822; "a  b"@c`},
		"utf-8;jörg@köln.example":            {`utf-8; j\x{F6}rg@k\x{F6}ln.example`, "utf-8; jörg@köln.example"},
		"utf-8;a+ü=\\@b":                     {`utf-8; a\x{2B}\x{FC}\x{3D}\x{5C}@b`, `utf-8; a+ü=\@b`},
		"utf-8;a\r\nBcc: ü":                  {`utf-8; a\x{0D}\x{0A}Bcc:\x{20}\x{FC}`, `utf-8; a\x{0D}\x{0A}Bcc:\x{20}\x{FC}`},
		"utf-8;\u202eü@x":                    {`utf-8; \x{202E}\x{FC}@x`, `utf-8; \x{202E}\x{FC}@x`},
		"utf-8;a\xff":                        {"utf-8; a?", "utf-8; a?"},
		"rfc822;" + strings.Repeat("a", 320): {"rfc822; " + strings.Repeat("a", 320), "rfc822; " + strings.Repeat("a", 320)},
	} {
		for i, global := range []bool{false, true} {
			var b builder
			b.address("X", in, global)
			if got := b.String(); got != "X: "+want[i]+"\r\n" {
				t.Errorf("%q, global %v: %q, want %q", in, global, got, want[i])
			}
		}
	}
}

// The types of RFC 6533 are used where something is beyond ASCII, and nowhere else; all of it goes over a 7-bit way.
func TestGlobalReport(t *testing.T) {
	ascii, utf8 := sample("remote-permanent", queue.NoticeFailure), sample("remote-permanent", queue.NoticeFailure)
	utf8.Item.Recipients[0].Address = "jörg@example.org"
	orig := sample("remote-permanent", queue.NoticeFailure)
	orig.Item.Recipients[0].OriginalRecipient = "utf-8;jörg@example.com"
	sender := sample("remote-permanent", queue.NoticeFailure)
	sender.Item.Sender = "jörg@sender.example"
	other := sample("remote-permanent", queue.NoticeFailure)
	other.Item.Recipients = append(other.Item.Recipients, utf8.Item.Recipients[0])
	for name, tt := range map[string]struct {
		n                  queue.Notice
		report, final, org string
	}{
		"ASCII":              {ascii, "message/delivery-status", "rfc822; kunde@example.org", ""},
		"recipient":          {utf8, "message/global-delivery-status", "utf-8; jörg@example.org", ""},
		"original recipient": {orig, "message/global-delivery-status", "rfc822; kunde@example.org", "utf-8; jörg@example.com"},
		"sender":             {sender, "message/delivery-status", "rfc822; kunde@example.org", ""},
		"another recipient":  {other, "message/delivery-status", "rfc822; kunde@example.org", ""},
	} {
		b := compose(t, composer("en"), tt.n, original)
		if err := check(b, tt.n, original); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p, err := parse(b)
		if err != nil || p.report != tt.report || p.rcpts[0].Get("Final-Recipient") != tt.final ||
			p.rcpts[0].Get("Original-Recipient") != tt.org {
			t.Errorf("%s: %v, %s %v", name, err, p.report, p.rcpts)
		}
	}
}

// No parser takes a remote's words for an encoded word, which might come out as further lines.
func TestDiagnosticIsNotEncoded(t *testing.T) {
	for _, words := range []string{"=?utf-8?q?=0AAction:_delivered?=", "=\x00utf-8?q?=0AAction:_delivered?=", "=\x7f?utf-8?q?x?="} {
		n := sample("remote-permanent", queue.NoticeFailure)
		n.Item.Recipients[0].Last.Reply = "550 " + words
		p, err := parse(compose(t, composer("en"), n, original))
		if err != nil {
			t.Fatal(err)
		}
		d := p.rcpts[0].Get("Diagnostic-Code")
		if decoded, err := new(mime.WordDecoder).DecodeHeader(d); err != nil || decoded != d || strings.Contains(d, "=?") {
			t.Errorf("%q came out as %q, which is read as %q, %v", words, d, decoded, err)
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
