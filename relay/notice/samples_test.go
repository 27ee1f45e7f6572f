package notice

import (
	"strings"
	"time"

	"tlsrelay/queue"
)

// outcomes are what the causes of the golden files come from.
var outcomes = map[string]queue.Outcome{
	"starttls-not-offered": {Status: "4.7.4", Stage: queue.StageSTARTTLS,
		Detail: "STARTTLS is not among the extensions: PIPELINING, SIZE"},
	"starttls-refused": {Status: "4.7.4", Stage: queue.StageSTARTTLS, Reply: "454 4.7.0 TLS not available due to local problem"},
	"tls-version": {Status: "4.7.5", Stage: queue.StageTLS, Detail: "remote error: tls: protocol version not supported",
		TLS: queue.TLSFacts{Seen: "alert 70 (protocol version not supported)", Floor: "1.2", Broken: true}},
	"tls-cipher": {Status: "4.7.5", Stage: queue.StageTLS, Detail: "remote error: tls: handshake failure",
		TLS: queue.TLSFacts{Seen: "alert 40 (handshake failure)", Floor: "1.2", Broken: true}},
	"tls-handshake": {Status: "4.7.5", Stage: queue.StageTLS, Detail: "EOF",
		TLS: queue.TLSFacts{Seen: "nothing", Floor: "1.2", Broken: true}},
	"certificate-expired": {Status: "4.7.5", Stage: queue.StageTLS, TLS: queue.TLSFacts{Floor: "1.2", Broken: true},
		Detail: "x509: certificate has expired or is not yet valid: current time 2026-03-05T09:00:00Z is after 2026-02-27T23:59:59Z"},
	"certificate-name": {Status: "4.7.5", Stage: queue.StageTLS, TLS: queue.TLSFacts{Floor: "1.2", Broken: true},
		Detail: "x509: certificate is valid for www.example.org, example.org, not mx1.example.org"},
	"certificate-untrusted": {Status: "4.7.5", Stage: queue.StageTLS, TLS: queue.TLSFacts{Floor: "1.2", Broken: true},
		Detail: "x509: certificate signed by unknown authority"},
	"certificate-unreadable": {Status: "4.7.5", Stage: queue.StageTLS, TLS: queue.TLSFacts{Floor: "1.2", Broken: true},
		Detail: "tls: failed to parse certificate from server: x509: negative serial number"},

	"null-mx": {Result: queue.ResultFailed, Status: "5.1.10", Stage: queue.StageDNS, Detail: "example.org: null MX (RFC 7505)"},
	"no-such-domain": {Result: queue.ResultFailed, Status: "5.1.2", Stage: queue.StageDNS,
		Detail: "example.org: no such host"},
	"no-mail-host": {Result: queue.ResultFailed, Status: "5.4.4", Stage: queue.StageDNS,
		Detail: "example.org: neither MX nor address records"},
	"dns-trouble": {Status: "4.4.3", Stage: queue.StageDNS, Detail: "MX of example.org: SERVFAIL"},
	"address-refused": {Status: "4.4.4", Stage: queue.StageConnect, Remote: "10.0.0.25:25",
		Detail: "10.0.0.25 is a private address"},
	"connection-refused": {Status: "4.4.1", Stage: queue.StageConnect, Detail: "dial tcp 192.0.2.25:25: connect: connection refused"},
	"connection-timeout": {Status: "4.4.1", Stage: queue.StageConnect, Detail: "dial tcp 192.0.2.25:25: i/o timeout"},
	"connection-lost":    {Status: "4.4.2", Stage: queue.StageDot, Detail: "read tcp 192.0.2.25:25: connection reset by peer"},
	"remote-temporary":   {Status: "4.2.2", Stage: queue.StageRcpt, Reply: "452 4.2.2 Mailbox full"},
	"remote-permanent": {Result: queue.ResultFailed, Status: "5.1.1", Stage: queue.StageRcpt,
		Reply: "550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking\n" +
			"550 5.1.1 the recipient's address: https://support.example.org/mail/?p=NoSuchUser"},
	"remote-protocol": {Status: "4.5.0", Stage: queue.StageGreeting, Reply: "SSH-2.0-OpenSSH_9.2",
		Detail: "the greeting is no reply of SMTP"},
	"auth-refused": {Status: "4.7.8", Stage: queue.StageAuth, Reply: "535 5.7.8 Authentication credentials invalid"},
	"loop": {Result: queue.ResultFailed, Status: "5.4.6", Stage: queue.StageDNS,
		Detail: "the MX record of example.org leads back to relay.example.net"},
	"message-too-large": {Result: queue.ResultFailed, Status: "5.3.4", Stage: queue.StageMail,
		Reply: "552 5.3.4 too big"},
	"needs-8bitmime": {Result: queue.ResultFailed, Status: "5.6.3", Stage: queue.StageMail,
		Detail: "the server does not take 8-bit messages (no 8BITMIME)"},
	"needs-smtputf8": {Result: queue.ResultFailed, Status: "5.6.7", Stage: queue.StageMail,
		Detail: "the server does not take addresses and headers in UTF-8 (no SMTPUTF8)"},
	"needs-requiretls": {Result: queue.ResultFailed, Status: "5.7.30", Stage: queue.StageMail,
		Detail: "the server does not offer REQUIRETLS"},
	"local-trouble": {Status: "4.3.0", Stage: queue.StageData, Detail: "the message could not be read: input/output error"},
}

// proofs are what a probe finds at a host with that cause.
var proofs = map[string]queue.Evidence{
	"starttls-not-offered": {},
	"starttls-refused":     {},
	"tls-version":          {Offers: "TLS 1.0, TLS 1.1", KeyExchange: "ECDHE, DHE, RSA"},
	"tls-cipher":           {Offers: "TLS 1.2", KeyExchange: "DHE"},
	"tls-handshake":        {},
	"certificate-expired": {Certificate: queue.CertificateFacts{Names: "mx1.example.org, mx2.example.org", Issuer: "R11, Let's Encrypt",
		NotBefore: arrived.Add(-94 * 24 * time.Hour), NotAfter: arrived.Add(-4 * 24 * time.Hour)}},
	"certificate-name": {Certificate: queue.CertificateFacts{Names: "www.example.org, example.org", Issuer: "R11, Let's Encrypt",
		NotBefore: arrived.Add(-30 * 24 * time.Hour), NotAfter: arrived.Add(60 * 24 * time.Hour)}},
	"certificate-untrusted": {Certificate: queue.CertificateFacts{Names: "mx1.example.org", Issuer: "mx1.example.org",
		NotBefore: arrived.Add(-300 * 24 * time.Hour), NotAfter: arrived.Add(3000 * 24 * time.Hour)}},
	"certificate-unreadable": {},
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
		o.Host = "mx1.example.org"
		if o.Remote == "" {
			o.Remote = "192.0.2.25:25"
		}
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

// proven is a notice about a cause that a probe agrees with. A delay notice comes with the second attempt then.
func proven(cause string, kind queue.NoticeKind) queue.Notice {
	n := sample(cause, kind)
	r := &n.Item.Recipients[0]
	if kind == queue.NoticeDelay {
		r.Attempts, r.Last.End = 2, arrived.Add(15*time.Minute)
	}
	r.Last.TLS.Proven = true
	if cause == "starttls-refused" { // 454 proves nothing
		r.Last.Reply = "502 5.5.1 Command not implemented"
	}
	e := proofs[cause]
	e.Host, e.Remote, e.Cause, e.Seen, e.Needed = r.Last.Host, r.Last.Remote, cause, r.Last.TLS.Seen, r.Last.TLS.Floor
	e.Probed, e.Proven = arrived.Add(30*time.Second).UTC(), true
	e.First, e.Last, e.Attempts = arrived.Add(2*time.Second).UTC(), r.Last.End, r.Attempts
	r.Evidence = []queue.Evidence{e}
	return n
}

// twoHosts is a notice about a domain with two mail servers: of one it is proven what it offers, the other was not probed.
func twoHosts() queue.Notice {
	n := proven("tls-version", queue.NoticeFailure)
	r := &n.Item.Recipients[0]
	r.Evidence[0].Attempts = 23
	other := r.Evidence[0]
	other.Host, other.Remote, other.Cause = "mx2.example.org", "[2001:db8::25]:25", "tls-handshake"
	other.Seen, other.Probed, other.Proven, other.Attempts = "nothing", time.Time{}, false, 1
	other.First = other.Last
	r.Last.Host, r.Last.Remote, r.Last.TLS.Seen = other.Host, other.Remote, other.Seen
	r.Evidence = append(r.Evidence, other)
	return n
}

// manyHosts is about more addresses than a notice shows.
func manyHosts() queue.Notice {
	n := proven("tls-version", queue.NoticeFailure)
	r := &n.Item.Recipients[0]
	first := r.Evidence[0]
	for i := range 8 {
		e := first
		e.Remote = "192.0.2." + string(rune('1'+i)) + ":25"
		e.Proven = i == 7
		e.Offers = strings.Repeat("TLS 1.0, ", i)
		r.Evidence = append(r.Evidence, e)
	}
	r.Evidence = r.Evidence[1:]
	return n
}

// utf8Original is a message with a header in UTF-8, and a body in 8 bits.
const utf8Original = "From: Jörg <jörg@köln.example>\r\nTo: 用户@example.org\r\nSubject: Grüße\r\n" +
	"Message-ID: <angebot-4711@sender.example>\r\n\r\nGuten Tag, Grüße\r\n"

// global is a notice about a message and a recipient that need SMTPUTF8, for a sender who does not.
func global() queue.Notice {
	n := sample("needs-smtputf8", queue.NoticeFailure)
	n.Item.SMTPUTF8 = true
	n.Item.Recipients[0].Address = "用户@example.org"
	n.Item.Recipients[0].OriginalRecipient = "utf-8;用户@example.org"
	return n
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
