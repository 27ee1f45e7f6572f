package notice

import (
	"strings"
	"testing"
	"time"

	"tlsrelay/queue"
)

// flat is the text of a notice without its line breaks.
func flat(t *testing.T, lang string, n queue.Notice) string {
	t.Helper()
	return strings.Join(strings.Fields(textOf(t, compose(t, composer(lang), n, original))), " ")
}

// What is proven is said as a fact; what is not, never.
func TestProofIsTold(t *testing.T) {
	unsure := proven("tls-version", queue.NoticeDelay)
	unsure.Item.Recipients[0].Evidence[0].Proven = false
	never := proven("tls-version", queue.NoticeDelay)
	never.Item.Recipients[0].Evidence[0].Probed = time.Time{}
	mixed := proven("tls-version", queue.NoticeDelay)
	e := &mixed.Item.Recipients[0].Evidence[0]
	e.Proven, e.Offers, e.Seen = false, "TLS 1.0, TLS 1.2", "ServerHello TLS 1.0"
	nothing := proven("tls-version", queue.NoticeDelay)
	nothing.Item.Recipients[0].Evidence[0].Offers = ""
	common := proven("certificate-name", queue.NoticeDelay)
	common.Item.Recipients[0].Evidence[0].Certificate.Names = "CN=mx1.example.org"
	const en, de = "The server was checked on 2 March 2026, 10:00 (UTC+1): it offers only TLS 1.0 and TLS 1.1.",
		"Der Server wurde am 2. März 2026, 10:00 Uhr (UTC+1) geprüft: Er bietet nur TLS 1.0 und TLS 1.1."
	for _, tt := range []struct {
		name, lang string
		n          queue.Notice
		want, not  []string
	}{
		{"early", "en", proven("tls-version", queue.NoticeDelay), []string{en, "not been delivered yet", "only the mail provider",
			"The cause is certain", "goes on until 5 March 2026, 10:00 (UTC+1)", "3 days after you sent it", "out of the question",
			"openssl s_client -starttls smtp -connect mx1.example.org:25 -tls1_2", "Failed 2 connections, from 2 March"}, nil},
		{"early", "de", proven("tls-version", queue.NoticeDelay), []string{de, "noch nicht zugestellt", "nur der E-Mail-Anbieter",
			"Die Ursache steht fest", "daher bis zum 5. März 2026, 10:00 Uhr", "3 Tage nach dem Absenden", "scheiden als Ursache aus",
			"openssl s_client -starttls smtp -connect mx1.example.org:25 -tls1_2", "Erfolglos 2 Verbindungen, vom 2. März"}, nil},
		{"failure", "en", proven("tls-version", queue.NoticeFailure), []string{en, "can be put right at any time", "24 times in all"},
			[]string{"The cause is certain", "over by themselves"}},
		{"not proven", "en", unsure, []string{"Offers TLS 1.0 and TLS 1.1 Seen alert 70", "Checked"}, []string{"was checked on", "is certain", "question"}},
		{"not probed", "de", never, []string{"Beobachtet TLS-Alert 70 (Protokollversion"}, []string{"geprüft", "Geprüft", "Bietet", "steht fest"}},
		{"mixed", "en", mixed, []string{"did not accept TLS 1.2 or TLS 1.3 when mail was to be delivered.",
			"A check on 2 March 2026, 10:00 (UTC+1), however, found that it offers TLS 1.0 and TLS 1.2: perhaps",
			"although a check on 2 March 2026, 10:00 (UTC+1) found that it offers TLS 1.0 and TLS 1.2. If several",
			"Offers TLS 1.0 and TLS 1.2 Seen ServerHello TLS 1.0 Needed TLS 1.2"}, []string{"neither", "is certain", "offers only"}},
		{"mixed", "de", mixed, []string{"hat weder TLS 1.2 noch TLS 1.3 angenommen, als eine Nachricht zugestellt werden sollte.",
			"dass er TLS 1.0 und TLS 1.2 bietet: Vielleicht", "Bietet TLS 1.0 und TLS 1.2 Beobachtet ServerHello TLS 1.0"},
			[]string{"unterstützt weder", "steht fest", "bietet nur"}},
		{"nothing offered", "en", nothing, []string{"it offers no version of TLS at all.", "Offers no TLS version at all"}, nil},
		{"expired", "de", proven("certificate-expired", queue.NoticeFailure), []string{"das am 26. Februar 2026, 10:00 Uhr (UTC+1) abgelaufen ist",
			"Gilt für mx1.example.org und mx2.example.org", "Aussteller R11, Let's Encrypt", "Abgelaufen 26. Februar"}, []string{"Gültig bis"}},
		{"common name", "en", common, []string{"no name in the form that counts today (subjectAltName), only a common name (mx1.example.org)",
			"has mx1.example.org as its common name (CN)"}, []string{"another name (", "Made for mx1", "CN="}},
		{"common name", "de", common, []string{"nur einen „Common Name“ (mx1.example.org)"}, []string{"anderen Namen", "Gilt für mx1"}},
		{"two hosts", "en", twoHosts(), []string{en, "The mail server mx1.example.org (192.0.2.25, port 25) supports neither",
			"Server mx2.example.org Address 2001:db8::25, port 25 Seen no answer", "Failed one connection, on 5 March"}, nil},
		{"many hosts", "de", manyHosts(), []string{"... und 2 weitere", "Bietet keine TLS-Version", "192.0.2.8, Port 25) unterstützt"},
			[]string{"192.0.2.7"}},
	} {
		text := flat(t, tt.lang, tt.n)
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

// Evidence of TLS has no place in a notice about something else.
func TestEvidenceStaysWithItsCause(t *testing.T) {
	n := sample("remote-permanent", queue.NoticeFailure)
	n.Item.Recipients[0].Evidence = proven("tls-version", queue.NoticeFailure).Item.Recipients[0].Evidence
	b := compose(t, composer("en"), n, original)
	if text := string(b); strings.Contains(text, "TLS 1.0") || strings.Contains(text, "checked") {
		t.Errorf("the notice speaks of TLS:\n%s", text)
	}
}

func TestDiagnosticTellsTheProof(t *testing.T) {
	p, err := parse(compose(t, composer("de"), proven("tls-version", queue.NoticeFailure), original))
	const want = "X-Tlsrelay; remote error: tls: protocol version not supported; checked 2026-03-02T09:00:30Z: " +
		"offers TLS 1.0, TLS 1.1; needed: TLS 1.2 or newer"
	if got := p.rcpts[0].Get("Diagnostic-Code"); err != nil || got != want {
		t.Errorf("%v, Diagnostic-Code %q, want %q", err, got, want)
	}
	n := proven("tls-version", queue.NoticeFailure)
	n.Item.Recipients[0].Last.Reply = "454 4.7.0 no"
	p, err = parse(compose(t, composer("de"), n, original))
	if got := p.rcpts[0].Get("Diagnostic-Code"); err != nil || got != "smtp; 454 4.7.0 no" {
		t.Errorf("%v, a reply became %q", err, got)
	}
}

func TestCertificateFacts(t *testing.T) {
	at := arrived
	for name, tt := range map[string]struct {
		from, to, last time.Duration
		want           facts
	}{
		"valid":          {-time.Hour, time.Hour, 0, facts{ValidTo: at.Add(time.Hour)}},
		"expired":        {-2 * time.Hour, -time.Hour, 0, facts{Ended: at.Add(-time.Hour)}},
		"too new":        {time.Hour, 2 * time.Hour, 0, facts{ValidFrom: at.Add(time.Hour)}},
		"expired since":  {-time.Hour, time.Hour, 2 * time.Hour, facts{Ended: at.Add(time.Hour)}},
		"valid by now":   {time.Hour, 5 * time.Hour, 2 * time.Hour, facts{ValidTo: at.Add(5 * time.Hour)}},
		"no attempt yet": {-time.Hour, time.Hour, -24 * time.Hour, facts{ValidTo: at.Add(time.Hour)}},
	} {
		var g group
		g.Probed, g.Last = at, at.Add(tt.last)
		g.addCertificate(queue.CertificateFacts{NotBefore: at.Add(tt.from), NotAfter: at.Add(tt.to)}, at.Location())
		if !g.ValidFrom.Equal(tt.want.ValidFrom) || !g.ValidTo.Equal(tt.want.ValidTo) || !g.Ended.Equal(tt.want.Ended) {
			t.Errorf("%s: %+v", name, g.facts)
		}
	}
}

func TestList(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " , ,": "", "TLS 1.0, TLS 1.1": "TLS 1.0|TLS 1.1", "*.example.org,2001:db8::1": "*.example.org|2001:db8::1",
		"https://evil.example/x?y": "https???evil.example?x?y", "a@b": "a?b", "# a": "? a", "a\x1b[1m\u202e": "a?[1m?",
		"fe80::1%a;b": "fe80??1%a;b", strings.Repeat("x,", 30): strings.Repeat("x|", 10) + "...",
	} {
		if got := strings.Join(list(in), "|"); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

func TestNoLinks(t *testing.T) {
	for in, want := range map[string]string{
		"dial tcp [::1]:25: i/o timeout": "dial tcp [::1]:25: i/o timeout", "valid for https://x/y, not a.b": "valid for https:??x?y, not a.b",
		"www.x.example/pay": "www.x.example?pay", "write to a@b.example now": "write to a?b.example now", "": "",
	} {
		if got := noLinks(in); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

func TestCommand(t *testing.T) {
	at := func(host, address, port string) (g group) {
		g.Host, g.Address, g.Port = host, address, port
		return g
	}
	for _, tt := range []struct {
		g       group
		options []string
		want    string
	}{
		{at("mx1.example.org", "192.0.2.1", "25"), []string{"-tls1_2"}, "    openssl s_client -starttls smtp -connect mx1.example.org:25 -tls1_2"},
		{at("mx1.example.org", "192.0.2.1", "465"), nil, "    openssl s_client -connect mx1.example.org:465"},
		{at("?", "2001:db8::1", "25"), nil, "    openssl s_client -starttls smtp -connect [2001:db8::1]:25"},
		{at("[192.0.2.1]", "", "587"), []string{"-verify_hostname HOST"},
			"    openssl s_client -starttls smtp -connect 192.0.2.1:587 \\\n        -verify_ip 192.0.2.1"},
		{at("", "fe80::1%;reboot", "1;reboot"), nil, "    openssl s_client -starttls smtp -connect HOST:25"},
		{at("", "", ""), []string{"-verify_hostname HOST"}, "    openssl s_client -starttls smtp -connect HOST:25 \\\n        -verify_hostname HOST"},
	} {
		if got := command(tt.g, tt.options...); got != tt.want {
			t.Errorf("%+v:\n%s\nwant\n%s", tt.g, got, tt.want)
		}
	}
}

func TestParagraphs(t *testing.T) {
	const in = "\n a\n  b  c\n\n\n    kept  as\n    is \nd\n   \n    e\n\nf"
	const want = "a b c\n\n    kept  as\n    is\n\nd\n\n    e\n\nf"
	if got := paragraphs(in); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
