//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// scripted is a server at a socket that answers each command as told: by its first words, else with "250 2.0.0 Ok".
func scripted(t *testing.T, answers map[string]string) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-served })
	go func() {
		defer close(served)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serveScript(conn, answers)
		}
	}()
	return socket
}

// serveScript knows "" as the greeting and "." as the end of a message; an answer "close" closes. The longest words that fit
// count.
func serveScript(conn net.Conn, answers map[string]string) {
	defer conn.Close()
	in := bufio.NewScanner(conn)
	answer := func(line, usual string) bool {
		best := -1
		for start, a := range answers {
			if len(start) > best && (start != "" && strings.HasPrefix(line, start) || line == start) {
				best, usual = len(start), a
			}
		}
		if usual == "close" {
			return false
		}
		fmt.Fprintf(conn, "%s\r\n", usual)
		return true
	}
	if !answer("", "220 fake.test ESMTP") {
		return
	}
	for data := false; in.Scan(); {
		line := in.Text()
		switch {
		case data && line != ".":
		case line == "DATA":
			data = true
			if !answer(line, "354 Go on") {
				return
			}
		default:
			data = false
			if !answer(line, "250 2.0.0 Ok") {
				return
			}
		}
	}
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers map[string]string
		code    int
		says    string
	}{
		{"all well", nil, exitOK, ""},
		{"busy", map[string]string{"": "421 4.7.0 too many connections"}, exitTempFail, "421 4.7.0 too many connections"},
		{"not wanted", map[string]string{"": "554 5.7.1 go away"}, exitUnavailable, "554 5.7.1 go away"},
		{"gone at once", map[string]string{"": "close"}, exitTempFail, "broke off"},
		{"no SMTP", map[string]string{"": "hello"}, exitTempFail, "broke off"},
		{"EHLO refused", map[string]string{"EHLO": "550 5.5.0 no"}, exitDataErr, "550 5.5.0 no"},
		{"sender refused", map[string]string{"MAIL": "553 5.1.7 bad sender"}, exitDataErr, "553 5.1.7 bad sender"},
		{"sender forbidden", map[string]string{"MAIL": "553 5.7.1 not yours"}, exitNoPerm, "553 5.7.1 not yours"},
		{"too large", map[string]string{"MAIL": "552 5.3.4 at most 5 bytes"}, exitDataErr, "552 5.3.4 at most 5 bytes"},
		{"sender later", map[string]string{"MAIL": "451 4.7.1 try again after 12:00"}, exitTempFail, "try again after 12:00"},
		{"all recipients refused", map[string]string{"RCPT": "550 5.1.1 no such user"}, exitNoUser, "\n  c@d.test: 550 5.1.1 no such user\n"},
		{"all recipients later", map[string]string{"RCPT": "450 4.7.1 wait"}, exitTempFail, "\n  c@d.test: 450 4.7.1 wait\n"},
		{"one refused", map[string]string{"RCPT TO:<e@": "550 5.1.1 no such user"}, exitNoUser, "sent to 1 recipients, but not to these:\n  e@f.test: 550"},
		{"one later", map[string]string{"RCPT TO:<e@": "450 4.7.1 wait"}, exitNoUser, "sent to 1 recipients, but not to these:\n  e@f.test: 450"},
		{"no DATA", map[string]string{"DATA": "554 5.5.1 no"}, exitDataErr, "554 5.5.1 no"},
		{"message refused", map[string]string{".": "554 5.6.0 bad"}, exitDataErr, "554 5.6.0 bad"},
		{"message forbidden", map[string]string{".": "550 5.7.1 spam"}, exitNoPerm, "550 5.7.1 spam"},
		{"disk full", map[string]string{".": "452 4.3.1 no room"}, exitTempFail, "452 4.3.1 no room"},
		{"lost at the end", map[string]string{".": "close"}, exitTempFail, "broke off"},
		{"stopping at the end", map[string]string{".": "421 4.3.2 shutting down"}, exitTempFail, "421 4.3.2 shutting down"},
		{"several lines", map[string]string{".": "554-5.6.0 one\r\n554 5.6.0 \x1b[2Jtwo"}, exitDataErr, "554 5.6.0 one?5.6.0 ?[2Jtwo"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := callAt(scripted(t, tt.answers), strings.NewReader("\nhi\n"), "c@d.test", "e@f.test")
			if got.code != tt.code || !strings.Contains(got.err, tt.says) || (got.err == "") != (tt.code == exitOK) {
				t.Errorf("%+v, want code %d and %q", got, tt.code, tt.says)
			}
		})
	}
}

// What is wrong on this side.
func TestExitCodesWithoutRelay(t *testing.T) {
	const nobody = "/nonexistent/s.sock"
	long := strings.Repeat("a", 2*keepInMemory)
	for _, tt := range []struct {
		name string
		in   string
		args []string
		code int
		says string
	}{
		{"no relay", "\nhi\n", []string{"c@d.test"}, exitTempFail, "no relay answers at " + nobody + "; nothing was sent: start tlsrelay"},
		{"no relay, for PHP", "\nhi\n", []string{"-O", "TempFail=69", "c@d.test"}, exitUnavailable, "no relay answers"},
		{"no relay for SMTP", "", []string{"-bs"}, exitTempFail, "no relay answers"},
		{"no recipients", "Subject: x\n\nTo: a@b.test\n", []string{"-t"}, exitDataErr, "no recipients"},
		{"no recipients but a group", "To: undisclosed-recipients:;\n\nhi\n", []string{"-t"}, exitDataErr, "no recipients"},
		{"bad recipients", "Cc: a@b.test, (c@d.test\n\nhi\n", []string{"-t"}, exitDataErr, "the field Cc cannot be understood: a ) is missing"},
		{"two authors", "From: a@b.test\nFrom: c@d.test\n\nhi\n", []string{"c@d.test"}, exitDataErr, "more than one From"},
		{"endless header", strings.Repeat("X: "+strings.Repeat("y", 70)+"\n", 2000), []string{"c@d.test"}, exitDataErr, "header"},
		{"long line in the header", "Subject: " + long + "\n\nhi\n", []string{"c@d.test"}, exitDataErr, "line over 998 bytes"},
		{"queue run", "", []string{"-q"}, exitOK, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := callAt(nobody, strings.NewReader(tt.in), tt.args...)
			if got.code != tt.code || !strings.Contains(got.err, tt.says) || strings.Count(got.err, "\n") > 1 {
				t.Errorf("%+v, want code %d and %q", got, tt.code, tt.says)
			}
		})
	}
	for name, in := range map[string]io.Reader{
		"at once": iotest.ErrReader(io.ErrClosedPipe),
		"late":    io.MultiReader(strings.NewReader(long), iotest.ErrReader(io.ErrClosedPipe)),
	} {
		if got := callAt(nobody, in, "c@d.test"); got.code != exitNoInput || !strings.Contains(got.err, "cannot be read") {
			t.Errorf("input that fails %s: %+v", name, got)
		}
	}
	t.Setenv("TMPDIR", "/nonexistent")
	if got := callAt(nobody, strings.NewReader(long), "c@d.test"); got.code != exitCantCreat || !strings.Contains(got.err, "TMPDIR") {
		t.Errorf("no room: %+v", got)
	}
}

// The relay's own words, for what only it knows.
func TestRefusedByRelay(t *testing.T) {
	r := newRig(t, "[limits]\nmessage_size = \"200KB\"\n")
	big := "\n" + strings.Repeat(strings.Repeat("x", 70)+"\n", 4000)
	for _, tt := range []struct {
		name, in string
		args     []string
		code     int
		says     string
	}{
		{"too large", big, []string{"c@d.test"}, exitDataErr, "552 5.3.4 The message is too large: at most 200000 bytes"},
		{"long line", "\n" + strings.Repeat("x", 999) + "\n", []string{"c@d.test"}, exitDataErr, "554 5.6.0 The message has a line over 998 bytes"},
		{"NUL", "\nx\x00y\n", []string{"c@d.test"}, exitDataErr, "554 5.6.0 The message contains a NUL byte"},
		{"two senders", "\nhi\n", []string{"-f", "a@b.test,c@d.test", "c@d.test"}, exitUsage, "-f wants one address"},
		{"bad sender", "\nhi\n", []string{"-f", "a@b@c.test", "c@d.test"}, exitUsage, "is no address"},
		{"sender with a line end", "\nhi\n", []string{"-f", "\"a\r\nDATA\"@b.test", "c@d.test"}, exitUsage, "control character"},
		{"recipient with a line end", "\nhi\n", []string{"c@d.test>\r\nRCPT TO:<e@f.test"}, exitNoUser, "nothing was sent"},
	} {
		got := r.call(strings.NewReader(tt.in), tt.args...)
		if got.code != tt.code || !strings.Contains(got.err, tt.says) {
			t.Errorf("%s: %+v, want code %d and %q", tt.name, got, tt.code, tt.says)
		}
		if mail := r.take(); len(mail) != 0 {
			t.Errorf("%s: %d messages", tt.name, len(mail))
		}
	}
	// Just over the limit by its line ends: seen only while it is sent.
	if got := r.call(strings.NewReader("\n"+strings.Repeat("x\n", 90_000)), "c@d.test"); got.code != exitDataErr || !strings.Contains(got.err, "552 5.3.4") {
		t.Errorf("%+v", got)
	}
	if mail := r.take(); len(mail) != 0 {
		t.Errorf("%d messages", len(mail))
	}
}

// Parameters of DSN go to a relay that offers it.
func TestDSN(t *testing.T) {
	socket := scripted(t, map[string]string{
		"EHLO": "250-fake.test\r\n250-SIZE 5\r\n250 DSN",
		"MAIL": "550 5.0.0 no parameters", "MAIL FROM:<a@b.test> SIZE=4 RET=HDRS ENVID=x+2By": "250 2.1.0 Ok",
		"RCPT": "550 5.0.0 no parameters", "RCPT TO:<c@d.test> NOTIFY=SUCCESS,DELAY": "250 2.1.5 Ok",
	})
	got := callAt(socket, strings.NewReader("\nhi\n"), "-N", "success,delay", "-Rhdrs", "-Vx+y", "-fa@b.test", "c@d.test")
	if got != (answer{}) {
		t.Errorf("%+v", got)
	}
}
