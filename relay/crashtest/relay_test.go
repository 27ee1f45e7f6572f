//go:build linux

package crashtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tlsrelay/relay/dns/dnstest"
)

// rig is what stays while the relay comes and goes: its data, its configuration, the mail host, and the books.
type rig struct {
	dir, dataDir string
	more         string // configuration
	config       string // file of the latest life
	lives        int
	books        *books
	host         *mailHost
	names        *dnstest.Server
}

// newRig prepares relays that keep their data in dataDir; more is added to their configuration.
func newRig(t *testing.T, dataDir, more string) *rig {
	t.Helper()
	b := newBooks()
	return &rig{
		dir: t.TempDir(), dataDir: dataDir, more: more, books: b,
		host: newMailHost(t, b), names: dnstest.Serve(t, dnstest.Zone{}),
	}
}

// anyPort is an address that nobody else's clients know, so that none takes a relay for the one that had its port before.
const anyPort = "127.0.71.1:0"

// configure writes the configuration for the next life.
func (r *rig) configure(t *testing.T) {
	t.Helper()
	r.lives++
	var b strings.Builder
	fmt.Fprintf(&b, `
hostname = %q
data_dir = %q
[[listener]]
address = %q
tls = "off"
auth = "off"
networks = ["127.0.0.0/8"]
[dns]
servers = [%q]
[log]
format = "json"
`, nameOf(r.lives), r.dataDir, anyPort, r.names.Addr())
	for _, domain := range []string{good, wait, senderDomain[1:]} {
		fmt.Fprintf(&b, "[[route]]\ndomain = %q\nhosts = [%q]\n", domain, r.host.address)
	}
	b.WriteString(r.more)
	r.config = filepath.Join(r.dir, fmt.Sprintf("life-%d.toml", r.lives))
	if err := os.WriteFile(r.config, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// commandTime bounds a command.
const commandTime = 30 * time.Second

// command runs tlsrelay to its end, as an operator would, with the configuration of the latest life. The last argument must
// not be one that takes a value.
func (r *rig) command(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program(t), append(args, "--config", r.config)...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(commandTime, func() { cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("tlsrelay %s: %v\n%s", strings.Join(args, " "), err, problems.String())
	}
	return out.Bytes()
}

// listed is a line of `tlsrelay queue list --json`.
type listed struct {
	ID         string
	Sender     string
	Recipients []struct {
		Address  string
		Attempts int
	}
}

// list asks the relay for its queue, by the numbers of the mails; one about which a notice waits is in it, too.
func (r *rig) list(t *testing.T) map[int]listed {
	t.Helper()
	queue := map[int]listed{}
	for d := json.NewDecoder(bytes.NewReader(r.command(t, "queue", "list", "--json"))); ; {
		var m listed
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return queue
		} else if err != nil {
			t.Fatalf("tlsrelay queue list: %v", err)
		}
		sender := m.Sender
		if sender == "" {
			sender = m.Recipients[0].Address
		}
		number, ok := numberOf(sender)
		if !ok {
			t.Fatalf("nobody wrote what is in the queue: %+v", m)
		}
		queue[number] = m
	}
}

// audit compares the books with what the relay lists. It ends the test if anything is wrong.
func (r *rig) audit(t *testing.T, after string) {
	t.Helper()
	queued := map[int]bool{}
	for number := range r.list(t) {
		queued[number] = true
	}
	if wrong := r.books.audit(queued); len(wrong) > 0 {
		t.Fatalf("after %s %d things are wrong:\n%s\n%v", after, len(wrong), strings.Join(wrong[:min(len(wrong), 20)], "\n"), r.books)
	}
}

// settle has everything that is queued delivered, so that all texts are looked at, and audits the empty queue.
func (r *rig) settle(t *testing.T, p *process) {
	t.Helper()
	r.host.open.Store(true)
	defer r.host.open.Store(false)
	r.retryUntil(t, p, 2*time.Minute, "the queue is empty", "--all", func() bool { return len(r.list(t)) == 0 })
	r.audit(t, "all mail was delivered")
}

// retryUntil has mail tried again every second until something is true: an attempt that was under way may have met a host
// that was not open yet.
func (r *rig) retryUntil(t *testing.T, p *process, limit time.Duration, what, which string, is func() bool) {
	t.Helper()
	var asked time.Time
	p.await(t, limit, what, func() bool {
		if time.Since(asked) > time.Second {
			r.command(t, "queue", "retry", which)
			asked = time.Now()
		}
		return is()
	})
}

// conclude checks that the tests of a kind have had mail to lose, all of which was taken, and logs the totals.
func (r *rig) conclude(t *testing.T, count int, what string) {
	t.Helper()
	if acked, refused := r.books.replies(); acked < 2*count || len(refused) > 0 {
		t.Errorf("%d %s: %d mails were taken over and these refused: %v", count, what, acked, refused)
	}
	t.Logf("%d %s: %v, 0 lost", count, what, r.books)
}
