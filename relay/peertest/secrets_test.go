//go:build linux

package peertest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tlsrelay/relay/dns/dnstest"
)

// traces are what gives a secret away: itself, and what is the same in every base64 text that has it somewhere: for each
// of the three places in a group of bytes where it may begin, the digits that depend on nothing else.
func traces(secret string) [][]byte {
	all := [][]byte{[]byte(secret)}
	for before := range 3 {
		digits := base64.StdEncoding.EncodeToString([]byte("xx"[:before] + secret))
		first, last := (before*8+5)/6, (before+len(secret))*8/6
		all = append(all, []byte(digits[first:last]))
	}
	return all
}

// whereTold looks for a secret in a text. It gives the trace, nil if there is none.
func whereTold(text []byte, secrets ...string) []byte {
	for _, secret := range secrets {
		for _, trace := range traces(secret) {
			if bytes.Contains(text, trace) {
				return trace
			}
		}
	}
	return nil
}

// The search finds a password wherever it stands in what is encoded.
func TestTraces(t *testing.T) {
	for before := range 7 {
		for behind := range 4 {
			text := strings.Repeat("\xa5", before) + password + strings.Repeat("\x5a", behind)
			if whereTold([]byte("AUTH "+base64.StdEncoding.EncodeToString([]byte(text))+"\r\n"), password) == nil {
				t.Errorf("not found in %q", text)
			}
		}
	}
}

// checkNoPassword looks for the password in the log and in all that the relay keeps.
func checkNoPassword(t *testing.T, r *running) {
	t.Helper()
	checkNoSecret(t, r, password)
}

func checkNoSecret(t *testing.T, r *running, secrets ...string) {
	t.Helper()
	if trace := whereTold([]byte(r.log.text()), secrets...); trace != nil {
		t.Errorf("the log tells a password as %q", trace)
	}
	err := filepath.WalkDir(r.cfg.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if trace := whereTold(text, secrets...); trace != nil {
			t.Errorf("%s tells a password as %q", path, trace)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// guess is a password that is wrong.
const guess = "a wr0ng gue55, 0ften typed"

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// logins are dialogues behind EHLO within TLS, and how the reply to their last command begins.
var logins = []struct {
	script []string
	last   string
}{
	{[]string{"AUTH PLAIN " + encoded("\x00"+account+"\x00"+password)}, "235"},
	{[]string{"AUTH PLAIN", encoded("\x00" + account + "\x00" + password)}, "235"},
	{[]string{"AUTH PLAIN " + encoded(account+"\x00"+account+"\x00"+password)}, "235"},
	{[]string{"AUTH LOGIN", encoded(account), encoded(password)}, "235"},
	{[]string{"AUTH LOGIN " + encoded(account), encoded(password)}, "235"},
	{[]string{"AUTH LOGIN", encoded(account), encoded(password), "MAIL FROM:<a@sender.test>", "RCPT TO:<b@gone.test>", "DATA",
		"Subject: for a notice\r\n\r\nhello\r\n."}, "250"},
	{[]string{"AUTH PLAIN " + encoded("\x00"+account+"\x00"+guess)}, "535"},
	{[]string{"AUTH PLAIN", encoded("\x00" + account + "\x00" + guess)}, "535"},
	{[]string{"AUTH LOGIN", encoded(account), encoded(guess)}, "535"},
	{[]string{"AUTH LOGIN " + encoded("nobody@sender.test"), encoded(guess)}, "535"},
	{[]string{"AUTH LOGIN", encoded(password), encoded(guess)}, "535"}, // in the wrong field
	// What is no login, but has a password in it.
	{[]string{"AUTH PLAIN " + encoded(account+password)}, "501"},
	{[]string{"AUTH PLAIN " + password}, "501"},
	{[]string{"AUTH LOGIN", "*", encoded(password)}, "500"},
	{[]string{"AUTH CRAM-MD5 " + encoded(password)}, "504"},
	{[]string{"AUTH " + encoded(password)}, "504"},
	{[]string{"MAIL FROM:<a@sender.test> AUTH=" + strings.TrimRight(encoded(password), "=")}, "530"},
	{[]string{encoded("\x00" + account + "\x00" + password)}, "500"},
}

// Passwords, right and wrong, come up nowhere: not in replies, the log, the spool and all else that is kept, or in a notice.
func TestNoSecrets(t *testing.T) {
	n := newNetwork(t)
	wire := n.startWireHost(t, "127.0.77.51")
	r := startRelay(t, n, dnstest.Zone{
		"sender.test":    {MX: []string{"10 mx.sender.test."}},
		"mx.sender.test": {A: []string{"127.0.77.51"}},
	}, strings.ReplaceAll(clearPolicy, "dest.test", "sender.test"))
	var replies strings.Builder
	for _, l := range logins {
		if got := converse(t, r, l.script, &replies); !strings.HasPrefix(got, l.last) {
			t.Errorf("%.20q is answered by %q at last, want %s", l.script, got, l.last)
		}
	}
	replies.WriteString(inClear(t, r, "AUTH PLAIN "+encoded("\x00"+account+"\x00"+password)))
	for _, text := range append(wire.take(t, 1), replies.String()) {
		if trace := whereTold([]byte(text), password, guess); trace != nil {
			t.Errorf("a password is told as %q in:\n%s", trace, text)
		}
	}
	if len(r.log.find("login failed", nil)) == 0 {
		t.Error("the log has no failed login")
	}
	checkNoSecret(t, r, password, guess)
}

// dialText connects to a listener and gives both ends of the dialogue.
func dialText(t *testing.T, r *running, listener int) (net.Conn, *textproto.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", r.address(listener))
	if err != nil {
		t.Fatal(err)
	}
	if listener == implicit {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn, textproto.NewReader(bufio.NewReader(conn))
}

// converse says EHLO and then what the script says, notes all replies and gives the last one.
func converse(t *testing.T, r *running, script []string, replies *strings.Builder) (last string) {
	t.Helper()
	conn, in := dialText(t, r, implicit)
	defer conn.Close()
	for _, line := range append([]string{"", "EHLO app.test"}, script...) {
		if line != "" {
			fmt.Fprint(conn, line+"\r\n")
		}
		code, text, err := in.ReadResponse(0)
		if code == 0 {
			t.Fatalf("%v after %.20q", err, line)
		}
		last = fmt.Sprintf("%d %s", code, text)
		replies.WriteString(last + "\n")
	}
	return last
}

// inClear sends one command where there is no TLS, which must be refused.
func inClear(t *testing.T, r *running, command string) string {
	t.Helper()
	conn, in := dialText(t, r, starttls)
	defer conn.Close()
	fmt.Fprintf(conn, "EHLO app.test\r\n%s\r\n", command)
	var last string
	for _, want := range []int{220, 250, 538} {
		_, text, err := in.ReadResponse(want)
		if err != nil {
			t.Fatal(err)
		}
		last = text
	}
	return last
}
