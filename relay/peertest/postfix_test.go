//go:build linux

package peertest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// postfixMain is main.cf: mail for one domain, whoever the recipient is, goes to one Maildir.
const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/maillog
maillog_file_prefixes = %[1]s
myhostname = %[2]s
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks_style = host
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = %[3]s
virtual_mailbox_base = %[4]s
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:%[5]d
virtual_gid_maps = static:%[6]d
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_protocols = %[9]s
smtpd_tls_mandatory_protocols = %[9]s
smtpd_tls_cert_file = %[7]s
smtpd_tls_key_file = %[8]s
smtpd_tls_received_header = yes
`

// postfixMaster is master.cf: the services that receiving needs.
const postfixMaster = `%s inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
anvil unix - - n - 1 anvil
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
`

// startPostfix runs a Postfix that offers STARTTLS but does not insist on it, with queue and data apart from those of
// any other on this machine. It gives the Maildir's folder of new mail.
func (n *network) startPostfix(t *testing.T, name, domain, protocols, addr string) (box string) {
	t.Helper()
	dir := folder(t, n.dir, name, "root")
	mail := folder(t, dir, "mail", "nobody")
	uid, gid := ids(t, "nobody")
	main := fmt.Sprintf(postfixMain, dir, name, domain, mail, uid, gid, n.cert, n.key, protocols)
	n.runPostfix(t, dir, main, fmt.Sprintf(postfixMaster, n.at(addr)), addr)
	return filepath.Join(mail, "inbox", "new")
}

// runPostfix runs a Postfix in a folder until the test ends.
func (n *network) runPostfix(t *testing.T, dir, main, master, addr string) {
	t.Helper()
	etc := folder(t, dir, "etc", "root")
	folder(t, dir, "queue", "root")
	folder(t, dir, "data", "postfix")
	writeFile(t, filepath.Join(etc, "main.cf"), []byte(main))
	writeFile(t, filepath.Join(etc, "master.cf"), []byte(master))
	t.Cleanup(func() { showOnFailure(t, "Postfix's log", filepath.Join(dir, "maillog")) })

	mustRun(t, "", "postfix", "-c", etc, "check") // makes the folders of the queue
	daemons := strings.TrimSpace(mustRun(t, "", "postconf", "-c", etc, "-h", "daemon_directory"))
	p := start(t, dir, filepath.Join(daemons, "master"), "-c", etc, "-d")
	p.await(t, greets("tcp", n.at(addr)))
}
