package notice

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tlsrelay/queue"
)

// hostile is a notice in which all that a remote, or a client, may have a hand in is theirs.
type hostile struct {
	sender, rcpt, domain                       string // of the client
	host, remote, reply, detail, code, cause   string
	seen, offers, exchange, names, issuer, org string
	delay, utf8, proven                        bool
	notAfter                                   int64 // hours from the arrival
}

func (h hostile) notice() queue.Notice {
	kind := queue.NoticeFailure
	if h.delay {
		kind = queue.NoticeDelay
	}
	evidence := queue.Evidence{
		Host: h.host, Remote: h.remote, Cause: h.cause, Seen: h.seen, Needed: h.code, Offers: h.offers,
		KeyExchange: h.exchange, Proven: h.proven, First: arrived, Last: later, Attempts: 3,
		Certificate: queue.CertificateFacts{Names: h.names, Issuer: h.issuer,
			NotAfter: arrived.Add(time.Duration(h.notAfter%100_000) * time.Hour)},
	}
	if h.proven || h.offers != "" {
		evidence.Probed = arrived
	}
	return queue.Notice{
		Kind: kind, Recipients: []int{0, 1}, Expired: len(h.reply)%2 == 0,
		Item: queue.Item{
			ID: 1, Sender: h.sender, Arrived: arrived, Expires: later, SMTPUTF8: h.utf8,
			Recipients: []queue.Recipient{
				{Address: h.rcpt, Destination: h.domain, Attempts: 3, Evidence: []queue.Evidence{evidence, evidence, {Remote: "x", Cause: h.cause}},
					Last: queue.Outcome{Cause: h.cause, Status: h.code, Reply: h.reply, Detail: h.detail, Host: h.host, Remote: h.remote,
						TLS: queue.TLSFacts{Seen: h.seen, Floor: h.code}, Stage: queue.Stage(h.code), End: later}},
				{Address: "b@example.org", Destination: "example.org", Last: queue.Outcome{Cause: "tls-version", Detail: h.reply}},
			},
		},
	}
}

// check composes the notice and looks for what no notice may have.
func (h hostile) check() error {
	n := h.notice()
	b, err := composer("de", "en").Compose(n, testID, later.Add(time.Second), strings.NewReader(h.org))
	if err != nil {
		return err
	}
	if err := check(b, n, h.org); err != nil {
		return fmt.Errorf("%w in\n%s", err, b)
	}
	p, _ := parse(b)
	if strings.ContainsAny(h.sender+h.rcpt+h.org+h.cause+h.code, ":/@\\") {
		return nil // the client may write links to itself; and keys are our own
	}
	return lureError(p.text)
}

var hostiles = []hostile{
	{sender: "anna@sender.example", rcpt: "kunde@example.org", domain: "example.org", host: "mx1.example.org", remote: "192.0.2.25:25",
		reply: "550 no", detail: "detail", code: "5.1.1", cause: "tls-version", offers: "TLS 1.0, TLS 1.1", org: original, proven: true},
	{sender: "a\r\nBcc: b@c", rcpt: "x\u202ey", domain: "\x1b", host: "h\nX: y", remote: "[fe80::1%;reboot]:25", reply: "\x1b]0;x\x07\n\n550",
		detail: "\xff", code: "9", org: "Subject: =?utf-8?b?G10w?=\r\n\r\n", delay: true},
	{sender: `"a  b"@c`, rcpt: "=?utf-8?q?=1b?=@x", domain: "[::1]", host: "[192.0.2.1]", remote: "x", reply: "1 1 1 1 1 1 1", detail: ".",
		code: "2.0.0", cause: "certificate-name", names: "https://evil.example/pay, # a, \x1b[2J", issuer: "<b>www.evil.example/x\r\n    # y",
		org: "Message-ID: <a>\r\n b", proven: true, delay: true},
	{sender: "a", rcpt: "ü@b", domain: "x", host: "\u2066", cause: "certificate-expired", code: "4.7.5", issuer: strings.Repeat("x ", 9000),
		detail: "https://evil.example", names: strings.Repeat("y,", 9000), notAfter: -1, utf8: true, org: "Subject: ü\r\n\r\n\xff"},
	{sender: "a", rcpt: "b", cause: "tls-cipher", exchange: "http://evil.example", offers: "\u202eTLS", seen: "http://evil.example", code: "1.3",
		proven: true},
	{sender: "a", rcpt: "b", cause: "certificate-name", host: "evil.example/x", domain: "http://evil.example", remote: "[http://evil.example/x]:25",
		detail: `evil.example/pay \\evil.example\share a@evil.example`, code: "1.2", names: "javascript:x, \u0430pple.example", proven: true},
	{sender: "a", rcpt: "b", cause: "tls-handshake", seen: "\u009b2J \u3164 x\u0301\u0301\u0301\u0301\u0301\u0301", reply: "550 =?utf-8?q?=1b?= \ufe0f",
		code: "1.2", domain: "xn--pple-43d.example", host: "\u0430pple.example"},
	{sender: "a", rcpt: "b", cause: "tls-handshake", detail: `//evil.example/pay \\evil.example\share`, code: "1.2"},
	{sender: "a", rcpt: "b", cause: "tls-handshake", detail: "http://evil call@evil http:\ufe0f//x", code: "1.2"},
	{sender: "a", rcpt: "b", cause: "tls-handshake", seen: "http://evil.example/x", detail: "http://evil.example/y", code: "1.2"},
}

func TestHostileNotices(t *testing.T) {
	for _, h := range hostiles {
		if err := h.check(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzCompose(f *testing.F) {
	for _, h := range hostiles {
		f.Add(h.sender, h.rcpt, h.domain, h.host, h.remote, h.reply, h.detail, h.code, h.cause, h.seen, h.offers, h.exchange, h.names,
			h.issuer, h.org, h.delay, h.utf8, h.proven, h.notAfter)
	}
	f.Fuzz(func(t *testing.T, sender, rcpt, domain, host, remote, reply, detail, code, cause, seen, offers, exchange, names, issuer,
		org string, delay, utf8, proven bool, notAfter int64) {
		if sender == "" {
			return
		}
		h := hostile{sender, rcpt, domain, host, remote, reply, detail, code, cause, seen, offers, exchange, names, issuer, org, delay,
			utf8, proven, notAfter}
		if err := h.check(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzExplain(f *testing.F) {
	f.Add("relay", "example.org", "mx", "1.2", "TLS 1.0", "DHE", "https://evil.example/", "<b>", true, "certificate-name")
	f.Fuzz(func(t *testing.T, relay, domain, host, needed, offers, exchange, names, issuer string, proven bool, cause string) {
		facts := Facts{
			Relay: relay, Domain: domain, Host: host, Needed: needed, Offers: offers, KeyExchange: exchange, Probed: arrived, Proven: proven,
			Certificate: queue.CertificateFacts{Names: names, Issuer: issuer, NotAfter: later},
		}
		for _, lang := range []string{"en", "de"} {
			e, _ := (*Texts)(nil).Explain(lang, cause, facts)
			for _, text := range []string{e.Title, e.What, e.Todo, e.Postmaster, e.Patience} {
				if err := errors.Join(harmlessError(strings.ReplaceAll(text, "\n", " ")), lureError(strings.ReplaceAll(text, "postmaster@"+relay, ""))); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
