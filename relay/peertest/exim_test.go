//go:build linux

package peertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlsrelay/relay/need"
)

// eximUser is the user that Debian's Exim runs as.
const eximUser = "Debian-exim"

// eximMain is what any Exim here is told: where its files are, and that it is root only to listen.
const eximMain = `exim_path = %[1]s
spool_directory = %[2]s/spool
log_file_path = %[2]s/log/%%slog
primary_hostname = %[3]s
deliver_drop_privilege
disable_ipv6
`

// eximReceiver has Exim take all mail and keep it. The synchronisation check is off, because a smuggler would wait for
// replies where this test does not.
const eximReceiver = `tls_advertise_hosts =
local_interfaces = %s
daemon_smtp_ports = %d
queue_only
smtp_enforce_sync = false
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  accept
`

// eximSender has Exim hand all mail to a smarthost, over TLS with a checked certificate and a login.
const eximSender = `tls_advertise_hosts =
begin routers
smarthost:
  driver = manualroute
  domains = *
  transport = relay
  route_list = * 127.0.0.1
  self = send
begin transports
relay:
  driver = smtp
  port = %s
  protocol = %s
  hosts_require_tls = *
  hosts_require_auth = *
  tls_verify_certificates = %s
  tls_verify_cert_hostnames =
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^%s^%s
`

// exim is an Exim with files of its own.
type exim struct{ program, dir, config string }

func (n *network) newExim(t *testing.T, name, more string) exim {
	t.Helper()
	program, err := need.Path("exim4")
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, n.dir, name, "root")
	folder(t, dir, "spool", eximUser)
	folder(t, dir, "log", eximUser)
	e := exim{program, dir, filepath.Join(dir, "exim.conf")}
	writeFile(t, e.config, fmt.Appendf(nil, eximMain, program, dir, name))
	f, err := os.OpenFile(e.config, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(more)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Chmod(e.config, 0o644) // Exim reads it as its own user, too
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { showOnFailure(t, "Exim's log", filepath.Join(dir, "log", "mainlog")) })
	return e
}

// startExim runs an Exim that keeps what it gets.
func (n *network) startExim(t *testing.T, name, addr string) exim {
	t.Helper()
	e := n.newExim(t, name, fmt.Sprintf(eximReceiver, addr, n.port()))
	p := start(t, e.dir, e.program, "-C", e.config, "-bdf", "-oP", filepath.Join(e.dir, "exim.pid"))
	p.await(t, greets("tcp", n.at(addr)))
	return e
}

// take gives the bodies of the messages that it keeps and forgets them. A body is in a file of its own, behind a line
// with its name.
func (e exim) take(t *testing.T) (bodies []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(e.dir, "spool", "input", "*-D"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "\n")
		bodies = append(bodies, body)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(strings.TrimSuffix(file, "D") + "H"); err != nil {
			t.Fatal(err)
		}
	}
	return bodies
}
