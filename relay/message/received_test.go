package message

import (
	"net/mail"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestReceived(t *testing.T) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		opts Options
		want string
	}{
		{"clear text", Options{Helo: "web1", Client: netip.MustParseAddr("127.0.0.1")},
			"Received: from web1 ([127.0.0.1]) " +
				"by relay.example.net with ESMTP id 0e9xq2\r\n for <a@b.example>; Mon, 2 Mar 2026 10:00:00 +0000\r\n"},
		{"TLS and AUTH", Options{Helo: "mail.example.com", Client: netip.MustParseAddr("2001:db8::25%eth0"),
			TLS: "TLS 1.3, TLS_AES_128_GCM_SHA256", Authenticated: true},
			"Received: from mail.example.com ([IPv6:2001:db8::25]) " +
				"by relay.example.net\r\n with ESMTPSA (TLS 1.3, TLS_AES_128_GCM_SHA256) id 0e9xq2" +
				" for <a@b.example>;\r\n" +
				" Mon, 2 Mar 2026 10:00:00 +0000\r\n"},
		{"TLS, literal", Options{Helo: "[192.0.2.1]", Client: netip.MustParseAddr("::ffff:192.0.2.1"), TLS: "(x)"},
			"Received: from [192.0.2.1] ([192.0.2.1]) by relay.example.net with ESMTPS\r\n" +
				" (?x?) id 0e9xq2 for <a@b.example>; Mon, 2 Mar 2026 10:00:00 +0000\r\n"},
		{"HELO", Options{Helo: "a", Plain: true},
			"Received: from a by relay.example.net with SMTP id 0e9xq2 for <a@b.example>;\r\n Mon, 2 Mar 2026 10:00:00 +0000\r\n"},
		{"SMTPUTF8", Options{Helo: "a", SMTPUTF8: true, Authenticated: true},
			"Received: from a by relay.example.net with UTF8SMTPA id 0e9xq2\r\n for <a@b.example>; Mon, 2 Mar 2026 10:00:00 +0000\r\n"},
		{"AUTH, no client", Options{Authenticated: true},
			"Received: from unknown by relay.example.net with ESMTPA id 0e9xq2\r\n" +
				" for <a@b.example>; Mon, 2 Mar 2026 10:00:00 +0000\r\n"},
		{"local user", Options{Helo: "localhost", UserID: "33)"},
			"Received: from localhost by relay.example.net (tlsrelay, from userid 33?)\r\n" +
				" with ESMTP id 0e9xq2 for <a@b.example>; Mon, 2 Mar 2026 10:00:00 +0000\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.opts.Hostname, tt.opts.ID, tt.opts.Now, tt.opts.Recipient = "relay.example.net", "0e9xq2", at,
				"a@b.example"
			if got := received(tt.opts); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestReceivedWithoutRecipient(t *testing.T) {
	for _, rcpt := range []string{"", "a\r\nBcc: x@y", "jörg@example.org", "a@b\x1b[2J", strings.Repeat("a", 320) +
		"@b"} {
		got := received(Options{Hostname: "h", ID: "i", Recipient: rcpt})
		if strings.Contains(got, "for") {
			t.Errorf("recipient %q: %q", rcpt, got)
		}
	}
}

func FuzzReceived(f *testing.F) {
	f.Add("client", "a@b", "TLS 1.3")
	f.Add("x\r\nBcc: y", `"a b>;"@c`, "(((")
	f.Add("(a) by b; \x1b[31m", "\x00", `\`)
	f.Fuzz(func(t *testing.T, helo, rcpt, tls string) {
		opts, tls := testOptions, tls[:min(len(tls), 100)]
		opts.Helo, opts.Recipient, opts.TLS = helo, rcpt, tls
		got := received(opts)
		m, err := mail.ReadMessage(strings.NewReader(got + "\r\n"))
		if err != nil || len(m.Header) != 1 || len(m.Header["Received"]) != 1 {
			t.Fatalf("%q: %v %v", got, m, err)
		}
		if !strings.HasPrefix(got, "Received: from "+heloWord(helo)) && !strings.HasPrefix(got,
			"Received: from\r\n "+heloWord(helo)) {
			t.Fatalf("name is missing in %q", got)
		}
		if strings.ContainsAny(heloWord(helo), " ();<>@\"\\\r\n\t") || commentText(tls) != strings.Map(dropParens,
			commentText(tls)) {
			t.Fatalf("a clause can be closed from outside in %q", got)
		}
		for _, line := range strings.Split(got, "\r\n") {
			if len(line) > 998 || len(line) > wantLine && len(helo)+len(rcpt)+len(tls) < 30 {
				t.Fatalf("line %q is too long", line)
			}
			if strings.Trim(line, " \t") == "" && line != "" {
				t.Fatalf("blank line in %q", got)
			}
		}
	})
}

func dropParens(r rune) rune {
	if r == '(' || r == ')' {
		return -1
	}
	return r
}
