//go:build linux

package peertest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"tlsrelay/relay/dns/dnstest"
)

// kept is what a server makes of a message with a sequence in it: how many messages, and what stands in the place of the
// sequence in the first of them, lines ended by LF. None means that it was refused.
type kept struct {
	messages int
	text     string
}

// Reasons of differences.
const (
	bareLF = "Postfix takes LF alone for a line end, also around the final dot (CVE-2023-51764); Exim makes it a space when " +
		"the first line ended in CR LF; tlsrelay makes it a line end of the text, where it never ends the message"
	strayCR = "Exim takes CR alone for a line end of the text; Postfix and tlsrelay make it a space"
	bothOf  = bareLF + ". " + strayCR
	nul     = "Postfix and Exim pass NUL on; RFC 5322 has no NUL in a message, and a later host may stop reading at it, so " +
		"tlsrelay refuses it"
	manyCR = "Postfix drops all CRs before LF, so that this is the end; Exim makes each a line end, tlsrelay each a space"
)

// smuggled lists the sequences that some server takes for the end of a message, and two that are its end.
var smuggled = []struct {
	sequence             string
	relay, postfix, exim kept
	why                  string // they differ
}{
	{"\n.\n", kept{1, "\n.\n"}, kept{2, "\n"}, kept{1, " . "}, bareLF},
	{"\n.\r", kept{1, "\n. "}, kept{1, "\n "}, kept{1, " .\n"}, bothOf},
	{"\r.\n", kept{1, " .\n"}, kept{1, " .\n"}, kept{1, "\n. "}, bothOf},
	{"\r.\r", kept{1, " . "}, kept{1, " . "}, kept{1, "\n.\n"}, strayCR},
	{"\n.\r\n", kept{1, "\n.\n"}, kept{2, "\n"}, kept{1, " .\n"}, bareLF},
	{"\r.\r\n", kept{1, " .\n"}, kept{1, " .\n"}, kept{1, "\n.\n"}, strayCR},
	{"\r\n\x00.\r\n", kept{}, kept{1, "\n\x00.\n"}, kept{1, "\n\x00.\n"}, nul},
	{"\r\n.\n", kept{1, "\n\n"}, kept{2, "\n"}, kept{1, "\n "}, bareLF},
	{"\r\n.\r", kept{1, "\n "}, kept{1, "\n "}, kept{1, "\n\n"}, strayCR},
	{"\r\n.\x00\r\n", kept{}, kept{1, "\n\x00\n"}, kept{1, "\n\x00\n"}, nul},
	{"\r\n.\r\r\n", kept{1, "\n \n"}, kept{2, "\n"}, kept{1, "\n\n\n"}, manyCR},
	{"\r\r\n.\r\n", kept{2, " \n"}, kept{2, "\n"}, kept{2, "\n\n"}, manyCR},
	{"\r\n.\r\n", kept{2, "\n"}, kept{2, "\n"}, kept{2, "\n"}, ""},
}

// What stands before and behind a sequence. A server that takes the sequence for the end makes two messages of it.
const (
	beforeIt = "Subject: x\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\nMessage-ID: <x@app.test>\r\n\r\nfirst"
	behindIt = "MAIL FROM:<evil@app.test>\r\nRCPT TO:<victim@dest.test>\r\nDATA\r\nevil\r\n.\r\n"
)

const (
	atWire    = "127.0.77.31"
	atPostfix = "127.0.77.32"
	atExim    = "127.0.77.33"
)

// What this relay, an isolated Postfix and an isolated Exim of Debian 12 do with each sequence is in the table.
func TestPeerSmuggling(t *testing.T) {
	needPackages(t, "postfix", "exim4-daemon-light")
	n := newNetwork(t)
	wire := n.startWireHost(t, atWire)
	r := startRelay(t, n, dnstest.Zone{
		"dest.test":    {MX: []string{"10 mx.dest.test."}},
		"mx.dest.test": {A: []string{atWire}},
	}, clearPolicy)
	box := n.startPostfix(t, "postfix.test", "dest.test", ">=TLSv1.2", atPostfix)
	exim := n.startExim(t, "exim.test", atExim)
	for _, s := range smuggled {
		t.Run(fmt.Sprintf("%q", s.sequence), func(t *testing.T) {
			content := beforeIt + s.sequence + behindIt

			mail := wire.take(t, smuggle(t, r.address(listed), content))
			for i := range mail {
				checkWire(t, mail[i])
				mail[i] = strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(mail[i], ".\r\n"), "\r\n", "\n"), "\n..", "\n.")
			}
			s.relay.compare(t, "tlsrelay", mail)

			mail = nil
			if count := smuggle(t, n.at(atPostfix), content); count > 0 {
				for _, file := range received(t, box, count) {
					mail = append(mail, takeFile(t, file))
				}
			}
			s.postfix.compare(t, "Postfix", mail)

			if count, mail := smuggle(t, n.at(atExim), content), exim.take(t); len(mail) != count {
				t.Errorf("Exim keeps %d messages, but took %d", len(mail), count)
			} else {
				s.exim.compare(t, "Exim", mail)
			}
			if (s.why == "") != (s.relay == s.postfix && s.relay == s.exim) {
				t.Errorf("a difference must have a reason, and a reason a difference")
			}
		})
	}
}

// clearPolicy lets mail to dest.test go to a host without TLS.
const clearPolicy = `
[[tls.domain]]
name = "dest.test"
level = "opportunistic"
until = "2099-12-31"
why = "the test wants to see what goes over the wire"
`

// smuggle sends content in one write, all else step by step, and gives how many messages the server says it took.
func smuggle(t *testing.T, address, content string) (taken int) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	in := textproto.NewReader(bufio.NewReader(conn))
	for _, command := range []string{"EHLO app.test", "MAIL FROM:<a@app.test>", "RCPT TO:<b@dest.test>", "DATA"} {
		if code, text, err := in.ReadResponse(2); err != nil {
			t.Fatalf("before %s: %d %s, %v", command, code, text, err)
		}
		fmt.Fprint(conn, command+"\r\n")
	}
	if _, text, err := in.ReadResponse(354); err != nil {
		t.Fatalf("%v %s", err, text)
	}
	fmt.Fprint(conn, content+"QUIT\r\n")
	said, err := io.ReadAll(in.R)
	if err != nil {
		t.Fatalf("%v after %q", err, said)
	}
	return bytes.Count(said, []byte("queued as ")) + bytes.Count(said, []byte("250 OK id="))
}

// takeFile gives a file's text and removes it.
func takeFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.Remove(file)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// compare wants what a server made of a message to be as listed.
func (k kept) compare(t *testing.T, server string, mail []string) {
	t.Helper()
	got := kept{messages: len(mail)}
	for _, m := range mail {
		if _, text, found := strings.Cut(m, "first"); found {
			got.text, _, _ = strings.Cut(text, behindIt[:5])
		}
	}
	if got != k {
		t.Errorf("%s makes {%d, %q} of it, listed is {%d, %q}", server, got.messages, got.text, k.messages, k.text)
	}
}
