//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tlsrelay/relay/need"
)

// exec runs a program to its end with the rig's socket. It runs as user nobody if asked to, else as this one.
func (r *rig) exec(asNobody bool, in, path string, args ...string) answer {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "TLSRELAY_SOCKET="+r.socket, "LC_ALL=C")
	cmd.Dir = programDir
	if asNobody {
		uid, gid := nobody(r.t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return answer{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// nobody gives the user who may do least.
func nobody(t testing.TB) (uid, gid uint32) {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	id, _ := strconv.ParseUint(u.Uid, 10, 32)
	group, _ := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(id), uint32(group)
}

// called makes the program available by another name.
func called(t *testing.T, name string) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(program(t), link); err != nil {
		t.Fatal(err)
	}
	return link
}

// Another user may send, as himself, and is named.
func TestOtherUser(t *testing.T) {
	need.Root(t)
	r := newRig(t, "")
	uid, _ := nobody(t)
	if got := r.exec(true, "To: c@d.test\n\nhi\n", program(t), "-t", "-i"); got != (answer{}) {
		t.Fatalf("%+v\n%s", got, r.log.String())
	}
	m := r.one()
	if m.Account != "local/nobody" || m.Sender != "nobody@relay.test" {
		t.Errorf("sent by %s from %s", m.Account, m.Sender)
	}
	if want := "by relay.test (tlsrelay, from userid " + strconv.Itoa(int(uid)) + ")"; !strings.Contains(strings.ReplaceAll(m.text, "\r\n ", " "), want) {
		t.Errorf("no %q in %q", want, m.text)
	}
	if log := r.log.String(); !strings.Contains(log, "account=local/nobody") {
		t.Errorf("the log does not name the user:\n%s", log)
	}
	// Where the socket's folder keeps him out he is told so.
	if err := os.Chmod(filepath.Dir(r.socket), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := r.exec(true, "\nhi\n", program(t), "c@d.test"); got.code != exitNoPerm || !strings.Contains(got.err, "you may not use the relay's socket") {
		t.Errorf("%+v", got)
	}
}

func TestMailq(t *testing.T) {
	need.Root(t)
	r := newRig(t, "")
	r.mustCall("\nhi\n", "c@d.test")
	t.Setenv("XDG_STATE_HOME", filepath.Dir(r.file)) // without a configuration file, the rig's queue is the default one
	for _, name := range []string{"mailq", "sendmail"} {
		args := map[string][]string{"sendmail": {"-bp"}}[name]
		if got := r.exec(false, "", called(t, name), args...); got.code != 0 || got.err != "" || !strings.Contains(got.out, "c@d.test") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := r.exec(true, "", program(t), "-bp"); got.code != 1 || got.out != "" || !strings.Contains(got.err, "is for the relay's user alone") {
		t.Errorf("for another user: %+v", got)
	}
	if got := r.exec(false, "", called(t, "newaliases")); got != (answer{}) {
		t.Errorf("newaliases: %+v", got)
	}
	alone := filepath.Join(t.TempDir(), "sendmail")
	text, err := os.ReadFile(program(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(alone, text, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "/nonexistent")
	if got := r.exec(false, "", alone, "-bp"); got.code != exitUnavailable || !strings.Contains(got.err, "neither beside this one nor in PATH") {
		t.Errorf("without tlsrelay: %+v", got)
	}
}

// A caller that speaks SMTP itself.
func TestBridge(t *testing.T) {
	r := newRig(t, "")
	dialogue := "EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\n"
	for _, end := range []string{"QUIT\r\n", ""} { // one just stops
		got := r.exec(false, dialogue+end, program(t), "-bs")
		if got.code != exitOK || got.err != "" || !strings.HasPrefix(got.out, "220 relay.test ESMTP") || !strings.Contains(got.out, "250 2.0.0 Ok: queued as") {
			t.Errorf("%+v", got)
		}
		if m := r.one(); m.Sender != "a@b.test" || m.to != "c@d.test" || !strings.HasPrefix(m.Account, "local/") {
			t.Errorf("%+v", m)
		}
	}
	if got := r.exec(false, "GET / HTTP/1.1\r\n", program(t), "-bs"); !strings.Contains(got.out, "421 4.7.0") {
		t.Errorf("%+v", got)
	}
}

// The output of a job comes over time, as cron hands it on; the relay does not have to wait for it.
func TestSlowInput(t *testing.T) {
	r := newRig(t, "")
	cmd := exec.Command(program(t), "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root")
	cmd.Env = append(os.Environ(), "TLSRELAY_SOCKET="+r.socket)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{"From: root (Cron Daemon)\nTo: root\n", "Subject: Cron\n\nbegin", "s\n", ".\n", "ends\n"} {
		in.Write([]byte(piece)) // what fails shows below
		time.Sleep(5 * time.Millisecond)
	}
	if log := r.log.String(); strings.Contains(log, "accepted") {
		t.Error("accepted before the end of the input")
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if m := r.one(); m.to != "root@relay.test" || body(m.text) != "begins\r\n.\r\nends\r\n" {
		t.Errorf("to %s: %q", m.to, m.text)
	}
}

// PHP's mail(), by the setting that the README gives.
func TestPHP(t *testing.T) {
	need.Programs(t, "php")
	r := newRig(t, "")
	php, err := need.Path("php")
	if err != nil {
		t.Fatal(err)
	}
	const script = `
$ok = mail("Jane <c@d.test>, e@f.test", "Gr\xc3\xbc\xc3\x9fe", "line\n.\nlast\r\n", "From: shop@b.test\r\nBcc: i@j.test", "-fbounce@b.test");
$no = mail("a b@d.test", "x", "y");
var_dump($ok, $no);`
	setting := "sendmail_path=" + program(t) + " -t -i -O TempFail=69"
	got := r.exec(false, "", php, "-d", setting, "-r", script)
	if got.code != 0 || got.out != "bool(true)\nbool(false)\n" {
		t.Fatalf("%+v", got)
	}
	m := r.one()
	if m.Sender != "bounce@b.test" || m.to != "c@d.test,e@f.test,i@j.test" || body(m.text) != "line\r\n.\r\nlast\r\n\r\n" { // PHP adds a line end
		t.Errorf("from %s to %s: %q", m.Sender, m.to, m.text)
	}
	for _, want := range []string{"\r\nTo: Jane <c@d.test>, e@f.test\r\n", "\r\nFrom: shop@b.test\r\n"} {
		if !strings.Contains(m.text, want) || strings.Contains(m.text, "i@j.test") {
			t.Errorf("no %q in %q, or a blind copy", want, m.text)
		}
	}
	r.socket = "/nonexistent/s.sock" // no relay runs: the application must hear of it
	if got := r.exec(false, "", php, "-d", setting, "-r", script); got.out != "bool(false)\nbool(false)\n" || !strings.Contains(got.err, "no relay answers at") {
		t.Errorf("without a relay: %+v", got)
	}
}

// BenchmarkStart is the time of a process that does nothing, from fork to end.
func BenchmarkStart(b *testing.B) {
	path := program(b)
	for b.Loop() {
		if err := exec.Command(path, "-q").Run(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSend is that of one that sends a short message.
func BenchmarkSend(b *testing.B) {
	r, path := newRig(b, ""), program(b)
	for b.Loop() {
		if got := r.exec(false, "To: c@d.test\n\nhi\n", path, "-t", "-i"); got != (answer{}) {
			b.Fatal(got)
		}
	}
}
