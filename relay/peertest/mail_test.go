//go:build linux

package peertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// letter is a mail on its way in.
type letter struct {
	From string `json:"from"`
	To   string `json:"to"`
	Text string `json:"text"` // header and body, CRLF
}

// newLetter writes a mail with a word in the local parts of its envelope, in its subject and in its body, which has at
// least size octets.
func newLetter(canary, domain string, size int) letter {
	from, to := canary+"-from@sender.test", canary+"-to@"+domain
	return letter{from, to, fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: Order %s\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s",
		from, to, canary, body(canary, size))}
}

// body is a text with all that is easily broken on the way: dots, blanks at line ends, bytes above 127, the longest
// line that is allowed, empty lines.
func body(canary string, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\r\n.\r\n..\r\n.hidden\r\n \r\ntrailing  \t\r\n\r\n\r\nGrüße, 10 €\r\nFrom here\r\n%s\r\n",
		canary, strings.Repeat("l", 998))
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "line %d of a long mail, %s\r\n", i, canary)
	}
	b.WriteString(".\r\nthe end\r\n")
	return b.String()
}

// sevenBit writes the mail in ASCII.
func (m letter) sevenBit() letter {
	m.Text = strings.NewReplacer("ü", "ue", "ß", "ss", "€", "EUR", "8bit", "7bit").Replace(m.Text)
	return m
}

func (m letter) ascii() bool {
	return !strings.ContainsFunc(m.Text, func(r rune) bool { return r > unicode.MaxASCII })
}

// difference is where two texts begin to differ, -1 if they are equal.
func difference(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) == len(b) {
		return -1
	}
	return min(len(a), len(b))
}

// checkArrived compares a file that a mail host wrote with what was sent. It gives the header.
func checkArrived(t *testing.T, file string, sent letter) mail.Header {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	_, got, _ := strings.Cut(string(text), "\n\n")
	_, want, _ := strings.Cut(strings.ReplaceAll(sent.Text, "\r\n", "\n"), "\n\n")
	if m.Header.Get("X-Mail-Args") != "" {
		want += "\n" // smtp-sink ends its file with an empty line
	}
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" { // the client's choice, for the long line
		decoded, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(got)))
		if err != nil {
			t.Error(err)
		}
		got = string(decoded)
	}
	if at := difference(got, want); at >= 0 {
		t.Errorf("the body that arrived has %d bytes, that sent %d; from byte %d on they are %.80q and %.80q",
			len(got), len(want), at, got[at:], want[at:])
	}
	if want := header(t, sent.Text).Get("Subject"); m.Header.Get("Subject") != want {
		t.Errorf("subject %q, want %q", m.Header.Get("Subject"), want)
	}
	count := 0
	for _, trace := range m.Header["Received"] {
		if strings.Contains(trace, "by "+hostname) {
			count++
		}
	}
	if count != 1 || m.Header.Get("Message-Id") == "" || m.Header.Get("Date") == "" {
		t.Errorf("the header lacks a trace or an identification: %v", m.Header)
	}
	return m.Header
}

func header(t *testing.T, text string) mail.Header {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header
}

// submitScript hands in mails over STARTTLS with a login; the certificate must be good.
const submitScript = `
import json, smtplib, ssl, sys
host, port, ca, user, password, letters = sys.argv[1:]
with smtplib.SMTP(host, int(port), local_hostname="app.test", timeout=15) as s:
    s.starttls(context=ssl.create_default_context(cafile=ca))
    s.login(user, password)
    for m in json.load(open(letters, encoding="utf-8")):
        s.sendmail(m["from"], [m["to"]], m["text"].encode("utf-8"), mail_options=["BODY=8BITMIME"])
`

// submit hands mails to a relay with Python's smtplib.
func submit(t *testing.T, n *network, r *running, letters ...letter) {
	t.Helper()
	list, err := json.Marshal(letters)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "letters.json")
	writeFile(t, file, list)
	host, port, err := net.SplitHostPort(r.address(starttls))
	if err != nil {
		t.Fatal(err)
	}
	mustRun(t, submitScript, "python3", "-", host, port, n.cert, account, password, file)
}
