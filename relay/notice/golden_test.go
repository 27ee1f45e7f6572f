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

// outcomes are what the causes of the golden files come from.
var outcomes = map[string]queue.Outcome{
	"starttls-not-offered": {Status: "4.7.4", Stage: queue.StageSTARTTLS,
		Detail: "STARTTLS is not among the extensions: PIPELINING, SIZE"},
	"tls-version": {Status: "4.7.5", Stage: queue.StageTLS, Detail: "remote error: tls: protocol version not supported",
		TLS: queue.TLSFacts{Seen: "alert 70 (protocol version not supported)", Floor: "1.2", Broken: true}},
	"certificate-name": {Status: "4.7.5", Stage: queue.StageTLS, TLS: queue.TLSFacts{Floor: "1.2", Broken: true},
		Detail: "x509: certificate is valid for www.example.org, example.org, not mx1.example.org"},
	"no-such-domain": {Result: queue.ResultFailed, Status: "5.1.2", Stage: queue.StageDNS,
		Detail: "example.org: no such host"},
	"connection-timeout": {Status: "4.4.1", Stage: queue.StageConnect, Detail: "dial tcp 192.0.2.25:25: i/o timeout"},
	"remote-permanent": {Result: queue.ResultFailed, Status: "5.1.1", Stage: queue.StageRcpt,
		Reply: "550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking\n" +
			"550 5.1.1 the recipient's address: https://support.example.org/mail/?p=NoSuchUser"},
	"message-too-large": {Result: queue.ResultFailed, Status: "5.3.4", Stage: queue.StageMail,
		Reply: "552 5.3.4 too big"},
	"remote-temporary": {Status: "4.2.2", Stage: queue.StageRcpt, Reply: "452 4.2.2 Mailbox full"},
}

// sample is a notice about one recipient with the cause.
func sample(cause string, kind queue.NoticeKind) queue.Notice {
	o := outcomes[cause]
	o.Cause = cause
	o.Start, o.End = later.Add(-3*time.Second), later
	attempts := 24
	if o.Result == queue.ResultFailed {
		o.End, attempts = arrived.Add(2*time.Second), 1
	}
	if o.Stage != queue.StageDNS {
		o.Host, o.Remote = "mx1.example.org", "192.0.2.25:25"
	}
	if kind == queue.NoticeDelay {
		o.End, attempts = arrived.Add(4*time.Hour), 9
	}
	return queue.Notice{
		Kind: kind, Recipients: []int{0}, Expired: kind == queue.NoticeFailure && o.Result == queue.ResultDeferred,
		Until: later.UTC(),
		Item: queue.Item{
			ID: 0x0064c1a2b3d4e000, Sender: "anna@sender.example", Size: 62_000_000, Arrived: arrived.UTC(),
			Expires: later.UTC(),
			Recipients: []queue.Recipient{
				{Address: "kunde@example.org", Destination: "example.org", Attempts: attempts, Last: o},
			},
		},
	}
}

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
		for cause := range outcomes {
			cases = append(cases, goldenCase{cause + "." + lang, composer(lang), sample(cause, queue.NoticeFailure),
				original})
		}
		cases = append(cases,
			goldenCase{"delay." + lang, composer(lang), sample("tls-version", queue.NoticeDelay), original},
			goldenCase{"relayed." + lang, composer(lang), relayedSample(), original},
			goldenCase{"several." + lang, composer(lang), several(), headerOnly})
	}
	return append(cases,
		goldenCase{"both.de-en", composer("de", "en"), sample("tls-version", queue.NoticeFailure), original},
		goldenCase{"both-delay.en-de", composer("en", "de"), sample("remote-temporary", queue.NoticeDelay), headerOnly},
	)
}

// relayedSample is a notice about two recipients who were delivered; the sender gave all that RFC 3461 has.
func relayedSample() queue.Notice {
	n := sample("remote-temporary", queue.NoticeRelayed)
	o := queue.Outcome{Result: queue.ResultDelivered, Status: "2.0.0", Stage: queue.StageDot, Reply: "250 2.0.0 Ok: queued as 4711",
		Host: "mx1.example.org", Remote: "192.0.2.25:25", End: arrived.Add(2 * time.Second)}
	n.Item.Recipients = []queue.Recipient{
		{Address: "kunde@example.org", Destination: "example.org", Attempts: 1, Last: o, Notify: queue.NotifySuccess,
			OriginalRecipient: "rfc822;kunde+alt@example.com"},
		{Address: "jörg@example.org", Destination: "example.org", Attempts: 1, Last: o, Notify: queue.NotifySuccess,
			OriginalRecipient: "utf-8;jörg@köln.example"},
	}
	n.Item.EnvelopeID, n.Item.Return, n.Recipients, n.Expired = "Rechnung  4711", queue.ReturnFull, []int{0, 1}, false
	return n
}

// several is a notice about recipients of one domain, refused for two reasons in three different answers.
func several() queue.Notice {
	n := sample("remote-permanent", queue.NoticeFailure)
	r := n.Item.Recipients[0]
	for i, reply := range []string{"550 5.1.1 No such user: info", "550 5.1.1 No such user: verkauf",
		"552 5.3.4 too big"} {
		r.Address = []string{"info@example.org", "verkauf@example.org", "bild@example.org"}[i]
		r.Last.Reply, r.Last.Cause, r.Last.Status = reply, []string{"remote-permanent", "message-too-large"}[i/2],
			reply[4:9]
		n.Item.Recipients = append(n.Item.Recipients, r)
	}
	n.Recipients = []int{1, 2, 3}
	return n
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
			}
		}
		golden(t, "texts."+lang+".txt", []byte(all.String()))
	}
}

// allCauses is every key that a notice must explain, and one that no table has.
func allCauses() []string { return append(tableCauses(), "not-in-any-table") }

// tableCauses is the keys of both tables.
func tableCauses() []string {
	var keys []string
	for _, c := range tlspolicy.Causes() {
		keys = append(keys, c.Key)
	}
	for _, c := range queue.Causes() {
		keys = append(keys, c.Key)
	}
	return keys
}
