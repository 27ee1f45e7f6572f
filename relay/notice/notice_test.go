package notice

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"tlsrelay/queue"
)

func TestGoldenNoticesKeepTheRules(t *testing.T) {
	for _, c := range goldenCases() {
		if err := check(compose(t, c.composer, c.notice, c.original), c.notice, c.original); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestComposeRefuses(t *testing.T) {
	null := sample("tls-version", queue.NoticeFailure)
	null.Item.Sender = ""
	nobody := sample("tls-version", queue.NoticeFailure)
	nobody.Recipients = nil
	unknown := sample("tls-version", queue.NoticeFailure)
	unknown.Recipients = []int{1}
	for name, tt := range map[string]struct {
		n    queue.Notice
		want error
	}{
		"null sender": {null, ErrNullSender}, "no recipients": {nobody, ErrNoRecipients},
		"no such recipient": {unknown, ErrNoRecipients},
	} {
		if _, err := composer("en").Compose(tt.n, testID, later, strings.NewReader(original)); !errors.Is(err,
			tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
	broken := errors.New("disk")
	src := io.MultiReader(strings.NewReader(original), iotest.ErrReader(broken))
	if _, err := composer("en").Compose(sample("loop", queue.NoticeFailure), testID, later, src); !errors.Is(err,
		broken) {
		t.Errorf("unreadable original: error %v", err)
	}
}

func TestZeroComposer(t *testing.T) {
	n := sample("tls-version", queue.NoticeFailure)
	b := compose(t, Composer{Languages: []string{"fr"}}, n, "")
	if err := check(b, n, ""); err != nil {
		t.Fatal(err)
	}
	p, _ := parse(b)
	if from := p.header.Get("From"); from != "Mail Delivery System <MAILER-DAEMON@localhost>" {
		t.Errorf("From is %q", from)
	}
	if p.kind != "" || strings.Contains(p.text, "attached") {
		t.Errorf("there is a third part %q, or the text says so", p.kind)
	}
	if !strings.Contains(p.text, "supports neither TLS 1.2 nor") || strings.Contains(p.text, "http") {
		t.Errorf("text\n%s", p.text)
	}
}

func TestFrom(t *testing.T) {
	for from, want := range map[string]string{
		"postmaster@example.net":               "<postmaster@example.net>",
		"Post Office <postmaster@example.net>": `"Post Office" <postmaster@example.net>`,
		"Grüße <postmaster@example.net>":       "=?utf-8?q?Gr=C3=BC=C3=9Fe?= <postmaster@example.net>",
		"no address":                           "Mail Delivery System <MAILER-DAEMON@h>",
		"a@b\r\nBcc: c@d":                      "Mail Delivery System <MAILER-DAEMON@h>",
	} {
		if got := (Composer{Hostname: "h", From: from}).from(); got != want {
			t.Errorf("From %q became %q, want %q", from, got, want)
		}
	}
}

func TestTo(t *testing.T) {
	for sender, want := range map[string]string{
		"a@b.example":            "<a@b.example>",
		`"a b"@c.example`:        `<"a b"@c.example>`,
		`"x> , <y@z"@c.example`:  `<"x> , <y@z"@c.example>`,
		"jörg@example.org":       "undisclosed-recipients:;",
		"a@b\r\nBcc: c@d":        "undisclosed-recipients:;",
		"a@b>, <c@d":             "undisclosed-recipients:;",
		strings.Repeat("a", 400): "undisclosed-recipients:;",
		"\x1b[31m@x":             "undisclosed-recipients:;",
	} {
		if got := to(sender); got != want {
			t.Errorf("sender %q became %q, want %q", sender, got, want)
		}
	}
}

// What a person must find in a notice, in each language.
func TestNoticeTells(t *testing.T) {
	failure, delay := sample("tls-version", queue.NoticeFailure), sample("tls-version", queue.NoticeDelay)
	early := failure
	early.Expired = false
	strict := sample("tls-version", queue.NoticeFailure)
	strict.Item.Recipients[0].Last.TLS.Floor = "1.3"
	for _, tt := range []struct {
		name, lang string
		n          queue.Notice
		want, not  []string
	}{
		{"failure", "en", failure, []string{"for 3 days, 24 times", "supports neither TLS 1.2 nor TLS 1.3",
			"192.0.2.25, port 25", "4.7.5",
			"insecure", "only the mail provider of the recipient", "alert 70", "lang=en", "is attached"},
			[]string{"yet", "until"}},
		{"failure", "de", failure, []string{"3 Tage lang", "insgesamt 24-mal", "weder TLS 1.2 noch TLS 1.3",
			"192.0.2.25, Port 25",
			"unsicher", "nur der E-Mail-Anbieter des Empfängers", "TLS-Alert 70", "lang=de", "ist angehängt"},
			[]string{"noch nicht"}},
		{"delay", "en", delay, []string{"not been delivered yet", "until 5 March 2026, 10:00 (UTC+1)"},
			[]string{"no further attempt"}},
		{"delay", "de", delay, []string{"noch nicht zugestellt", "bis zum 5. März 2026, 10:00 Uhr (UTC+1)"},
			[]string{"abgelaufen"}},
		{"given up early", "en", early, nil, []string{"kept trying", "no further attempt"}},
		{"floor 1.3", "en", strict, []string{"does not support TLS 1.3"}, []string{"TLS 1.2", "deprecated"}},
		{"floor 1.3", "de", strict, []string{"unterstützt TLS 1.3 nicht"}, []string{"TLS 1.2", "RFC 8996"}},
	} {
		text := strings.Join(strings.Fields(textOf(t, compose(t, composer(tt.lang), tt.n, original))), " ")
		for _, s := range tt.want {
			if !strings.Contains(text, s) {
				t.Errorf("%s, %s: %q is missing in\n%s", tt.name, tt.lang, s, text)
			}
		}
		for _, s := range tt.not {
			if strings.Contains(text, s) {
				t.Errorf("%s, %s: %q should not stand in\n%s", tt.name, tt.lang, s, text)
			}
		}
	}
}

func TestBothLanguages(t *testing.T) {
	text := textOf(t, compose(t, composer("de", "en"), sample("tls-version", queue.NoticeFailure), original))
	first, second, found := strings.Cut(text, "\n"+strings.Repeat("=", columns)+"\n")
	if !found || !strings.HasPrefix(first, "(The same in English further down.)\n") ||
		!strings.Contains(first, "Ihre Nachricht") || !strings.Contains(second, "Your message") ||
		strings.Contains(second, "Ihre") {
		t.Errorf("text\n%s", text)
	}
}

// Thousands of recipients with an answer each: the report names all, the text stays short.
func TestManyRecipients(t *testing.T) {
	n := sample("remote-permanent", queue.NoticeFailure)
	n.Recipients = nil
	for i := range 3000 {
		r := n.Item.Recipients[0]
		r.Address = fmt.Sprintf("r%d@example.org", i)
		r.Last.Cause = []string{"remote-permanent", "message-too-large", fmt.Sprint("unknown-", i)}[i%3]
		r.Last.Reply = fmt.Sprintf("550 5.1.1 no mailbox %d ", i) + strings.Repeat("x", 2000)
		n.Item.Recipients = append(n.Item.Recipients, r)
		n.Recipients = append(n.Recipients, i+1)
	}
	b := compose(t, composer("en", "de"), n, original)
	if err := check(b, n, original); err != nil {
		t.Fatal(err)
	}
	text := textOf(t, b)
	if len(text) > 100_000 {
		t.Errorf("the text has %d bytes", len(text))
	}
	for _, want := range []string{"to 3000 recipients", "r0@example.org", "... (+980)",
		"There are further recipients."} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestBoundaryIsNotInTheMessage(t *testing.T) {
	evil := strings.Replace(original, "Guten Tag",
		"--=_"+testID.String()+"_0--\r\nInjected: yes\r\n\r\n--=_"+testID.String()+"_1", 1)
	n := sample("loop", queue.NoticeFailure)
	b := compose(t, composer("en"), n, evil)
	if err := check(b, n, evil); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(b, []byte("boundary=\"=_"+testID.String()+"_2\"")) {
		t.Errorf("boundary:\n%s", b[:600])
	}
}

func TestHostileReply(t *testing.T) {
	n := sample("remote-permanent", queue.NoticeFailure)
	r := &n.Item.Recipients[0]
	r.Last.Reply = "550 \x1b]0;owned\x07\x1b[2J\r\n\r\nBcc: x@y\u202e\u2066evil\xff\xe9\x00\u200b" +
		strings.Repeat("A", 5000)
	r.Last.Host = "mx\r\nX-Evil: 1"
	r.Address = "kunde\u202e\r\nBcc: x@example.org"
	r.Destination = "exam\x1bple.org&lang=xx"
	b := compose(t, composer("en"), n, original)
	if err := check(b, n, original); err != nil {
		t.Fatal(err)
	}
	p, _ := parse(b)
	rcpt := p.rcpts[0]
	if got := rcpt.Get("Final-Recipient"); got != `utf-8; kunde\x{202E}\x{0D}\x{0A}Bcc:\x{20}x@example.org` {
		t.Errorf("Final-Recipient %q", got)
	}
	if got := rcpt.Get("Diagnostic-Code"); !strings.HasPrefix(got, "smtp; 550 ?]0;owned??[2J Bcc: x@y") ||
		len(got) > 1000 {
		t.Errorf("Diagnostic-Code %q", got)
	}
	if rcpt.Get("Remote-Mta") != "" || !strings.Contains(p.text, "domain=&lang=en") {
		t.Errorf("host or domain of the remote's making in %v\n%s", rcpt, p.text)
	}
	for line := range strings.SplitSeq(p.text, "\n") {
		if strings.Contains(line, "AAAA") && !strings.HasPrefix(line, "> ") {
			t.Errorf("the remote's words are not quoted: %q", line)
		}
	}
}
