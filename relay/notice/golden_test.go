package notice

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

var update = flag.Bool("update", false, "write testdata anew")

const (
	original = "Received: from web1 ([127.0.0.1])\r\n by relay.example.net with ESMTP id 06a2n8c0v4001;\r\n" +
		" Mon, 02 Mar 2026 10:00:00 +0100\r\n" +
		"From: Anna <anna@sender.example>\r\nTo: kunde@example.org\r\n" +
		"Subject: =?utf-8?q?Angebot_f=C3=BCr_M=C3=A4rz?=\r\n" +
		"Date: Mon, 2 Mar 2026 09:59:58 +0100\r\n" +
		"Message-ID: <angebot-4711@sender.example>\r\n\r\nGuten Tag,\r\n.\r\nAnna\r\n"
	headerOnly = original + "8-bit: gr\xc3\xbc\xc3\x9fe\r\n"
)

var (
	arrived = time.Date(2026, 3, 2, 10, 0, 0, 0, time.FixedZone("CET", 3600))
	later   = arrived.Add(72 * time.Hour)
	testID  = queue.ID(0x0064c1a2b3d4e5f6)
)

func composer(languages ...string) Composer {
	return Composer{
		Hostname: "relay.example.net", Languages: languages,
		HelpURL: "https://help.example.net/mail/{cause}?domain={domain}&lang={lang}&id={id}",
	}
}

func compose(t testing.TB, c Composer, n queue.Notice, original string) []byte {
	t.Helper()
	b, err := c.Compose(n, testID, later.Add(time.Second), strings.NewReader(original))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden compares with a file in testdata, which holds lines that end in LF.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	got = bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n"))
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; go test -update writes it anew. Got\n%s", name, got)
	}
}

// goldenCase is a notice whose bytes are kept in testdata.
type goldenCase struct {
	name     string
	composer Composer
	notice   queue.Notice
	original string
}

func goldenCases() []goldenCase {
	var cases []goldenCase
	for _, lang := range []string{"en", "de"} {
		for _, cause := range tableKeys() {
			n := sample(cause, queue.NoticeFailure)
			if tlspolicy.IsCause(cause) {
				n = proven(cause, queue.NoticeFailure)
				cases = append(cases, goldenCase{cause + ".early." + lang, composer(lang), proven(cause, queue.NoticeDelay), original})
			}
			cases = append(cases, goldenCase{cause + "." + lang, composer(lang), n, original})
		}
		cases = append(cases,
			goldenCase{"delay." + lang, composer(lang), sample("tls-version", queue.NoticeDelay), original},
			goldenCase{"two-hosts." + lang, composer(lang), twoHosts(), original},
			goldenCase{"smtputf8." + lang, composer(lang), global(), utf8Original},
			goldenCase{"relayed." + lang, composer(lang), relayedSample(), original},
			goldenCase{"several." + lang, composer(lang), several(), headerOnly})
	}
	return append(cases,
		goldenCase{"both.de-en", composer("de", "en"), sample("tls-version", queue.NoticeFailure), original},
		goldenCase{"both-delay.en-de", composer("en", "de"), sample("remote-temporary", queue.NoticeDelay), headerOnly},
	)
}

func TestGolden(t *testing.T) {
	for _, c := range goldenCases() {
		t.Run(c.name, func(t *testing.T) {
			golden(t, c.name+".eml", compose(t, c.composer, c.notice, c.original))
		})
	}
}

// One file a language with what people read for each cause: to be read as a whole by whoever changes a text.
func TestGoldenTexts(t *testing.T) {
	for _, lang := range []string{"en", "de"} {
		var all strings.Builder
		for _, cause := range allCauses() {
			for _, kind := range []queue.NoticeKind{queue.NoticeFailure, queue.NoticeDelay} {
				text := textOf(t, compose(t, composer(lang), sample(cause, kind), original))
				fmt.Fprintf(&all, "##### %s, kind %d\n\n%s\n", cause, kind, text)
				if tlspolicy.IsCause(cause) {
					text := textOf(t, compose(t, composer(lang), proven(cause, kind), original))
					fmt.Fprintf(&all, "##### %s, kind %d, proven\n\n%s\n", cause, kind, text)
				}
			}
		}
		golden(t, "texts."+lang+".txt", []byte(all.String()))
	}
}

// allCauses is every key that a notice must explain, and one that no table has.
func allCauses() []string { return append(tableKeys(), "not-in-any-table") }
