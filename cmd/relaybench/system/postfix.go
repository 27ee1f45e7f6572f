//go:build linux

package system

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tlsrelay/cmd/relaybench/proc"
)

// Postfix is a Postfix of its own: configuration, queue and port are apart from those of the machine's.
type Postfix struct {
	opts     PostfixOptions
	ports    [2]*port // by Mode
	mode     Mode
	refusing *port
	child    *child
	lives    int
	daemons  string
	logs     logCounter
}

// PostfixOptions says how a Postfix runs.
type PostfixOptions struct {
	Dir         string // for queue, configuration and log; made if it is missing. Postfix's user must get through to it
	Connections int    // of clients
	MessageSize int    // the largest
	Trace       string // file for strace; "" for none
}

// postfixMain has Postfix hold its mail the cheapest way: nothing is looked up, counted or slowed down, and cleanup writes into
// the hold queue, which the queue manager does not see. What is not held is tried where nobody listens, and not again for weeks.
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
smtp_tls_security_level = none
relayhost = [127.0.0.1]:%[4]d
minimal_backoff_time = 20d
maximal_backoff_time = 20d
maximal_queue_lifetime = 30d
bounce_queue_lifetime = 30d
`

// postfixMaster starts what taking mail and listing the queue needs.
const postfixMaster = `127.0.0.1:%d inet n - n - - smtpd
  -o smtpd_data_restrictions=check_client_access,static:HOLD
127.0.0.1:%d inet n - n - - smtpd
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
postlog unix-dgram n - n - 1 postlogd
`

// NewPostfix prepares a Postfix. It needs root, as Postfix does, and an error says what is missing.
func NewPostfix(o PostfixOptions) (*Postfix, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("postfix starts as root only; run relaybench as root, or without --peer postfix")
	}
	postconf, err := find("postconf")
	if err != nil {
		return nil, fmt.Errorf("postfix is not installed (%w); install it, or run without --peer postfix", err)
	}
	if err := reachable(filepath.Dir(o.Dir)); err != nil {
		return nil, err
	}
	p := &Postfix{opts: o}
	p.logs = logCounter{files: []string{p.maillog()}, text: []byte(" status=deferred ")}
	if err := p.prepare(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	out, err := output(context.Background(), postconf, "-c", p.etc(), "-h", "daemon_directory")
	if err != nil {
		return nil, err
	}
	p.daemons = strings.TrimSpace(string(out))
	postfix, err := find("postfix")
	if err != nil {
		return nil, err
	}
	_, err = output(context.Background(), postfix, "-c", p.etc(), "check") // makes the folders of the queue
	return p, err
}

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
		if p.ports[i], err = reservePort(); err != nil {
			return err
		}
	}
	if p.refusing, err = reservePort(); err != nil {
		return err
	}
	main := fmt.Sprintf(postfixMain, p.opts.Dir, max(100, p.opts.Connections+20), p.opts.MessageSize, p.refusing.number)
	if err := os.WriteFile(filepath.Join(p.etc(), "main.cf"), []byte(main), 0o644); err != nil {
		return err
	}
	master := fmt.Sprintf(postfixMaster, p.ports[Hold].number, p.ports[Refuse].number)
	return os.WriteFile(filepath.Join(p.etc(), "master.cf"), []byte(master), 0o644)
}

func (p *Postfix) etc() string { return filepath.Join(p.opts.Dir, "etc") }

func (p *Postfix) maillog() string { return filepath.Join(p.opts.Dir, "maillog") }

// Name implements [System].
func (p *Postfix) Name() string { return "postfix" }

// Dir implements [System].
func (p *Postfix) Dir() string { return filepath.Join(p.opts.Dir, "queue") }

// Address implements [System].
func (p *Postfix) Address() string { return p.ports[p.mode].address() }

// Session implements [System].
func (p *Postfix) Session() proc.Session { return p.child.session() }

// Start implements [System].
func (p *Postfix) Start(ctx context.Context) error {
	p.lives++
	log := filepath.Join(p.opts.Dir, fmt.Sprintf("log.%d", p.lives))
	var err error
	p.child, err = startChild(log, p.opts.Trace, filepath.Join(p.daemons, "master"), "-c", p.etc(), "-d")
	if err != nil {
		return err
	}
	err = p.child.await(ctx, "postfix", func() bool { return greets(p.Address()) })
	if err != nil {
		if text, _ := os.ReadFile(p.maillog()); len(text) > 0 {
			err = fmt.Errorf("%w\n%s", err, text[max(0, len(text)-2000):])
		}
	}
	return err
}

// greets reports whether a mail server answers.
func greets(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && strings.HasPrefix(line, "220")
}

// Stop implements [System].
func (p *Postfix) Stop() error {
	if p.child == nil {
		return nil
	}
	return p.child.stop(p.Name())
}

// Kill implements [System].
func (p *Postfix) Kill() error {
	if p.child == nil {
		return nil
	}
	return p.child.kill()
}

// Close implements [System].
func (p *Postfix) Close() error {
	err := p.Stop()
	for _, reserved := range append(p.ports[:], p.refusing) {
		reserved.close()
	}
	return errors.Join(err, os.RemoveAll(p.opts.Dir))
}

// Switch implements [Backlogger]: mail is held that comes in at one of two ports.
func (p *Postfix) Switch(_ context.Context, m Mode) error {
	p.mode = m
	return nil
}

// Deferrals implements [Backlogger].
func (p *Postfix) Deferrals() (int, error) { return p.logs.count() }

// Delete implements [Backlogger].
func (p *Postfix) Delete(ctx context.Context) error {
	postsuper, err := find("postsuper")
	if err == nil {
		_, err = output(ctx, postsuper, "-c", p.etc(), "-d", "ALL")
	}
	return err
}

// postfixMessage is a line of `postqueue -j`.
type postfixMessage struct {
	Queue      string `json:"queue_name"`
	ID         string `json:"queue_id"`
	Recipients []struct {
		Address string `json:"address"`
		Reason  string `json:"delay_reason"`
	} `json:"recipients"`
}

// Queue implements [System].
func (p *Postfix) Queue(ctx context.Context, each func(Queued) error) error {
	postqueue, err := find("postqueue")
	if err != nil {
		return err
	}
	return stream(exec.CommandContext(ctx, postqueue, "-c", p.etc(), "-j"), func(d *json.Decoder) error {
		var m postfixMessage
		if err := d.Decode(&m); err != nil {
			return err
		}
		if len(m.Recipients) != 1 {
			return fmt.Errorf("message %s has %d recipients, not one", m.ID, len(m.Recipients))
		}
		to := m.Recipients[0]
		return each(Queued{m.ID, to.Address, m.Queue == "deferred" && to.Reason != ""})
	})
}
