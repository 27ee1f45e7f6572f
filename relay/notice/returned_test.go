package notice

import (
	"strings"
	"testing"

	"tlsrelay/queue"
)

// RET=HDRS is kept, and RET=FULL only for what failed (RFC 3461, 4.3).
func TestReturnParameter(t *testing.T) {
	private := sample("remote-permanent", queue.NoticeFailure)
	private.Item.Return, private.Item.RequireTLS = queue.ReturnFull, true
	if p, err := parse(compose(t, composer("en"), private, original)); err != nil || p.kind != "text/rfc822-headers" {
		t.Errorf("with REQUIRETLS: third part %q, %v", p.kind, err)
	}
	for _, tc := range []struct {
		kind queue.NoticeKind
		ret  queue.Return
		want string
	}{
		{queue.NoticeFailure, queue.ReturnUnsaid, "message/rfc822"},
		{queue.NoticeFailure, queue.ReturnFull, "message/rfc822"},
		{queue.NoticeFailure, queue.ReturnHeaders, "text/rfc822-headers"},
		{queue.NoticeDelay, queue.ReturnFull, "text/rfc822-headers"},
		{queue.NoticeRelayed, queue.ReturnFull, "text/rfc822-headers"},
	} {
		n := sample("remote-permanent", tc.kind)
		n.Item.Return = tc.ret
		p, err := parse(compose(t, composer("en"), n, original))
		if err != nil || p.kind != tc.want {
			t.Errorf("kind %v, RET=%v: third part %q, %v; want %s", tc.kind, tc.ret, p.kind, err, tc.want)
		}
	}
}

func TestReadReturned(t *testing.T) {
	const header = "Subject: x\r\nMessage-ID: <a@b>\r\n"
	filler := strings.Repeat(strings.Repeat("x", 62)+"\r\n", 1024) // 64 KB
	small := header + "\r\n" + filler[64:]
	big := header + "\r\n" + filler
	bigHeader := header + strings.Repeat("Y: "+strings.Repeat("y", 59)+"\r\n", 1200)
	for _, tt := range []struct {
		name, in string
		whole    bool // wanted
		kind     string
		header   string
	}{
		{"small", small, true, "message", header},
		{"small, only the header wanted", small, false, "header", header},
		{"big", big, true, "header", header},
		{"8-bit body", header + "\r\ngr\xfc\xdfe\r\n", true, "header", header},
		{"8-bit header", "Subject: gr\xfc\xdfe\r\nX: \x1b\x00\t\x7f\r\n\r\nx\r\n", true, "header",
			"Subject: gr??e\r\nX: ??\t?\r\n"},
		{"escape sequences of ISO-2022-JP", header + "\r\n\x1b$B\x1b(B\r\n", true, "message", header},
		{"NUL", header + "\r\na\x00\r\n", true, "header", header},
		{"bare CR", header + "\r\na\rb\r\n", true, "header", header},
		{"bare LF", header + "\r\na\nb\r\n", true, "header", header},
		{"last line incomplete", header + "\r\na", true, "header", header},
		{"long line", header + "\r\n" + strings.Repeat("x", 999) + "\r\n", true, "header", header},
		{"no body", header, true, "message", header},
		{"no header", "\r\nbody\r\n", true, "message", ""},
		{"header that is cut", bigHeader, true, "header", ""},
		{"nothing", "", true, "", ""},
		{"one broken line", "x", true, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := readReturned(strings.NewReader(tt.in), tt.whole, false)
			if err != nil || r.kind() != tt.kind {
				t.Fatalf("returned is %q, %v; want %q", r.kind(), err, tt.kind)
			}
			if tt.kind == "message" && string(r.whole) != tt.in {
				t.Errorf("the message is not the same")
			}
			if tt.name == "header that is cut" {
				if len(r.header) < maxReturned-100 || !strings.HasPrefix(bigHeader, string(r.header)) ||
					!strings.HasSuffix(string(r.header), "y\r\n") {
					t.Errorf("header of %d bytes ends in %q", len(r.header), r.header[len(r.header)-10:])
				}
			} else if string(r.header) != tt.header {
				t.Errorf("header %q, want %q", r.header, tt.header)
			}
		})
	}
}

// A message with a header in UTF-8 comes back as it was, encoded, if it was sent as one.
func TestReturnedUTF8(t *testing.T) {
	const header = "Subject: Grüße\r\nMessage-ID: <a@b>\r\n"
	for _, tt := range []struct {
		name, in        string
		whole, smtputf8 bool
		kind, content   string
	}{
		{"whole", header + "\r\n\xff grün\r\n", true, true, "message/global", header + "\r\n\xff grün\r\n"},
		{"header", header + "\r\nx\r\n", false, true, "message/global-headers", header},
		{"not sent so", header + "\r\nx\r\n", true, false, "text/rfc822-headers", "Subject: Gr????e\r\nMessage-ID: <a@b>\r\n"},
		{"broken UTF-8", "Subject: \xff\r\n\r\nx\r\n", true, true, "text/rfc822-headers", "Subject: ?\r\n"},
		{"control characters", "Subject: ü\x1b[2J\r\n\r\nx\r\n", true, true, "text/rfc822-headers", "Subject: ???[2J\r\n"},
		{"bare LF in the body", header + "\r\na\nb\r\n", true, true, "message/global-headers", header},
		{"in ASCII after all", "Subject: x\r\n\r\nx\r\n", true, true, "message/rfc822", "Subject: x\r\n\r\nx\r\n"},
	} {
		n := sample("remote-permanent", queue.NoticeFailure)
		n.Item.SMTPUTF8 = tt.smtputf8
		if !tt.whole {
			n.Item.Return = queue.ReturnHeaders
		}
		p, err := parse(compose(t, composer("en"), n, tt.in))
		if err != nil || p.kind != tt.kind || string(p.third) != tt.content {
			t.Errorf("%s: %v, %s with %q, want %s with %q", tt.name, err, p.kind, p.third, tt.kind, tt.content)
		}
	}
}

func TestMessageID(t *testing.T) {
	for in, want := range map[string]string{
		"Message-ID: <a@b>\r\n":                          "<a@b>",
		"X: y\r\nmessage-id :\r\n\t<a@b>  \r\n":          "<a@b>",
		"Message-ID: <a@b>\r\nMessage-ID: <c@d>":         "<a@b>",
		"X: y\r\n Message-ID: <a@b>\r\n":                 "",
		"Message-ID: <a@b> <c@d>\r\n":                    "",
		"Message-ID: <a b@c>\r\n":                        "",
		"Message-ID: <a\x1b@c>\r\n":                      "",
		"Message-ID: <a<b@c>\r\n":                        "",
		"Message-ID: a@b\r\n":                            "",
		"Message-ID: <>\r\n":                             "",
		"Message-ID: <" + strings.Repeat("a", 990) + ">": "",
		"": "",
	} {
		if got := messageID([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestOriginalSubject(t *testing.T) {
	for in, want := range map[string]string{
		"Subject: plain\r\n": "plain",
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_an_alle?=\r\n": "Grüße an alle",
		"Subject: roh: grün\r\n":                "roh: grün",
		"Subject: =?x-unknown?q?abc?=\r\n":      "=?x-unknown?q?abc?=",
		"Subject: =?utf-8?b?G10wO3gH4oCu?=\r\n": "?]0;x??",
		"Subject:\r\nX: y\r\n":                  "",
		"X: y\r\n":                              "",
	} {
		if got := subject([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
