//go:build linux

package system

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"tlsrelay/cmd/relaybench/badhost"
)

// postfixMain has Postfix take mail the cheapest way: nothing is looked up, counted or slowed down.
const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/maillog
maillog_file_prefixes = %[1]s
myhostname = postfix.bench.test
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
default_process_limit = %[2]d
message_size_limit = %[3]d
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_event_limit_exceptions = static:all
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
local_header_rewrite_clients =
receive_override_options = no_address_mappings, no_header_body_checks
smtpd_tls_security_level = none
disable_dns_lookups = yes
maximal_queue_lifetime = 30d
bounce_queue_lifetime = 30d
`

// postfixHolds: cleanup writes into the hold queue, which the queue manager does not see. What is not held is tried where nobody
// listens, and not again for weeks.
const postfixHolds = `smtp_tls_security_level = none
relayhost = [127.0.0.1]:%d
minimal_backoff_time = 20d
maximal_backoff_time = 20d
`

// postfixHold makes an smtpd hold the mail it takes.
const postfixHold = "  -o smtpd_data_restrictions=check_client_access,static:HOLD\n"

// postfixMaster starts what taking mail, listing the queue and delivering needs.
const postfixMaster = `127.0.0.1:%d inet n - n - - smtpd
%s127.0.0.1:%d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
showq unix n - n - - showq
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
postlog unix-dgram n - n - 1 postlogd
`

// reachable makes sure that Postfix's own user gets through to a folder.
func reachable(dir string) error {
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("postfix cannot get through %s (mode %04o) to %s: choose another --dir", at, info.Mode().Perm(), dir)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// prepare makes folders and configuration.
func (p *Postfix) prepare() error {
	for _, dir := range []string{p.etc(), p.Dir(), filepath.Join(p.opts.Dir, "data")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	u, err := user.Lookup("postfix")
	if err != nil {
		return fmt.Errorf("postfix has no user of its own: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	if err := os.Chown(filepath.Join(p.opts.Dir, "data"), uid, -1); err != nil {
		return err
	}
	for i := range p.ports {
		if p.ports[i], err = badhost.Reserve(badhost.Loopback); err != nil {
			return err
		}
	}
	if p.refusing, err = badhost.Reserve(badhost.Loopback); err != nil {
		return err
	}
	return p.configure()
}

// configure writes both files.
func (p *Postfix) configure() error {
	main := fmt.Sprintf(postfixMain, p.opts.Dir, max(100, p.opts.Connections+20), p.opts.MessageSize)
	hold := ""
	if d := p.opts.Delivery; d != nil {
		transport := filepath.Join(p.etc(), "transport")
		if err := os.WriteFile(transport, []byte(d.transport()), 0o644); err != nil {
			return err
		}
		main += d.postfix(transport)
	} else {
		main, hold = main+fmt.Sprintf(postfixHolds, p.refusing.Number()), postfixHold
	}
	if err := os.WriteFile(filepath.Join(p.etc(), "main.cf"), []byte(main), 0o644); err != nil {
		return err
	}
	master := fmt.Sprintf(postfixMaster, p.ports[Hold].Number(), hold, p.ports[Refuse].Number())
	return os.WriteFile(filepath.Join(p.etc(), "master.cf"), []byte(master), 0o644)
}
