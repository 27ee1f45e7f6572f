//go:build linux

package peertest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tlsrelay/relay/dns/dnstest"
)

// dovecotConfig has Dovecot do nothing but check passwords, in a folder of its own.
const dovecotConfig = `
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
protocols =
ssl = no
auth_mechanisms = plain
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
service anvil {
  chroot =
}
passdb {
  driver = passwd-file
  args = %[1]s/users
}
`

// dovecotUsers are a customer, one who may not log in, and one whose password another server would have to check.
const dovecotUsers = `customer@sender.test:{PLAIN}%[1]s
closed@sender.test:{PLAIN}%[1]s::::::nologin=y
proxied@sender.test:::::::nopassword=y proxy=y host=127.0.0.9
%[2]s:{PLAIN}another password
`

const customer = "customer@sender.test"

// startDovecot runs Dovecot in a folder until the test ends, and gives its socket.
func startDovecot(t *testing.T, dir string) (p *process, socket string) {
	t.Helper()
	config, socket := filepath.Join(dir, "dovecot.conf"), filepath.Join(dir, "run", "auth-client")
	p = start(t, dir, "dovecot", "-F", "-c", config)
	p.await(t, func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return p, socket
}

// login says who one is, by PLAIN over STARTTLS, and gives the reply if that is an error, or "".
func login(t *testing.T, r *running, name, password string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", r.address(starttls), patience)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		t.Fatal(err)
	}
	err = c.Auth(smtp.PlainAuth("", name, password, "127.0.0.1"))
	var refused *textproto.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &refused):
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", refused.Code, strings.TrimPrefix(refused.Msg, `"`))
}

// Users of a real Dovecot log in, also after it was gone for a while; those that may not stay out.
func TestPeerDovecot(t *testing.T) {
	needPackages(t, "dovecot-core", "curl", "stunnel4", "postfix")
	dir := scratch(t)
	writeFile(t, filepath.Join(dir, "dovecot.conf"), fmt.Appendf(nil, dovecotConfig, dir))
	users := filepath.Join(dir, "users")
	writeFile(t, users, fmt.Appendf(nil, dovecotUsers, password, account))
	uid, gid := ids(t, "dovecot")
	if err := syscall.Chown(users, uid, gid); err != nil {
		t.Fatal(err)
	}
	p, socket := startDovecot(t, dir)
	t.Cleanup(func() { showOnFailure(t, "Dovecot's log", filepath.Join(dir, "log")) })

	n := newNetwork(t)
	box := n.startTLS(t, "mx.dest.test", "TLSv1.3", "TLSv1.3", "127.0.77.41")
	r := startRelay(t, n, dnstest.Zone{
		"dest.test":    {MX: []string{"10 mx.dest.test."}},
		"mx.dest.test": {A: []string{"127.0.77.41"}},
	}, fmt.Sprintf("[accounts]\ndovecot = %q\n", socket))

	file := filepath.Join(t.TempDir(), "letter")
	for i, mechanism := range []string{"PLAIN", "LOGIN"} {
		m := newLetter(word(t), "dest.test", 500)
		writeFile(t, file, []byte(m.Text))
		mustRun(t, "", "curl", "--disable", "--silent", "--show-error", "--ssl-reqd", "--cacert", n.cert, "--upload-file", file,
			"--user", "Customer@Sender.test:"+password, "--login-options", "AUTH="+mechanism, "--mail-from", m.From, "--mail-rcpt", m.To,
			"smtp://"+r.address(starttls)+"/app.test")
		checkTaken(t, r, m, customer, true)
		checkBox(t, box, i+1, m)
	}

	const wrong, away = "535 5.7.8 Wrong user name or password", "454 4.7.0 Logins cannot be checked now"
	expect := func(name, password, want string) {
		t.Helper()
		if got := login(t, r, name, password); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s is told %q, want %q", name, got, want)
		}
	}
	expect(customer, password, "")
	expect(customer, "wrong", wrong)
	expect("nobody@sender.test", password, wrong)
	expect("closed@sender.test", password, wrong)
	expect("proxied@sender.test", "whatever", away)
	expect(account, password, "")
	expect(account, "another password", wrong)
	expect(strings.ToUpper(account), "another password", wrong)
	expect(customer, password, "") // it works again, after what the proxied user made of it

	p.stop(t, syscall.SIGTERM)
	expect(customer, password, away)
	expect(account, password, "")
	startDovecot(t, dir)
	expect(customer, password, "")
	r.log.await(t, "logins cannot be checked by Dovecot", 1, func(e entry) bool {
		return e["socket"] == socket && strings.Contains(fmt.Sprint(e["error"]), "proxy")
	})
	r.log.await(t, "Dovecot checks logins again", 1, nil)
	checkNoPassword(t, r)
}
