//go:build linux

package peertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tlsrelay/configs"
	"tlsrelay/relay"
	"tlsrelay/relay/dns/dnstest"
)

const (
	hostname = "relay.test"
	account  = "app@sender.test"
	password = "s3cret pass/w0rd"
)

// relayConfig has listeners in the order of their names below.
const relayConfig = `
hostname = %q
data_dir = %q
[[listener]]
address = "127.0.0.1:0"
tls = "off"
auth = "off"
networks = ["127.0.0.0/8"]
[[listener]]
address = "127.0.0.1:0"
tls = "starttls"
auth = "required"
[[listener]]
address = "127.0.0.1:0"
tls = "implicit"
auth = "required"
[certificate]
cert = %q
key = %q
[dns]
servers = [%q]
[delivery]
port = %d
private_addresses = true
`

// Listeners of startRelay.
const (
	listed   = iota // no TLS, no login
	starttls        // login required
	implicit        // login required
)

// running is a relay at work in this process.
type running struct {
	*relay.Relay
	cfg *configs.Config
	log *logbook
}

// startRelay runs a relay with one account until the test ends. It finds the hosts of n in zone; more is configuration.
func startRelay(t *testing.T, n *network, zone dnstest.Zone, more string) *running {
	t.Helper()
	names := dnstest.Serve(t, zone)
	dir := t.TempDir()
	text := fmt.Appendf(nil, relayConfig, hostname, filepath.Join(dir, "data"), n.cert, n.key, names.Addr(), n.port())
	cfg, err := configs.Parse(filepath.Join(dir, "relay.toml"), append(text, more...))
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := relay.OpenAccounts(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := accounts.Add(account, password); err != nil {
		t.Fatal(err)
	}
	r := &running{cfg: cfg, log: &logbook{}}
	if r.Relay, err = relay.New(cfg, slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience + grace):
			t.Error("the relay does not stop")
		}
		if t.Failed() {
			t.Logf("the relay's log:\n%s", r.log.text())
		}
	})
	r.log.await(t, "ready", 1, nil)
	return r
}

// address is that of a listener.
func (r *running) address(listener int) string { return r.Addrs()[listener].String() }

// queued lists the recipients that wait.
func (r *running) queued(t *testing.T) map[string]recipient {
	t.Helper()
	q, err := relay.OpenQueue(t.Context(), r.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	found := map[string]recipient{}
	err = q.List(t.Context(), relay.Selection{All: true}, func(m relay.Message) error {
		for _, r := range m.Recipients {
			found[r.Address] = recipient{r.Cause, r.Status, r.Host}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// recipient is what the listing of the queue says of one.
type recipient struct{ cause, status, host string }

// logbook keeps what the relay logs.
type logbook struct {
	mu    sync.Mutex
	all   bytes.Buffer
	lines []entry
}

// entry is a line of the log.
type entry map[string]any

// Write implements io.Writer for a slog.JSONHandler, which writes a line at a time.
func (b *logbook) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return 0, err
	}
	b.lines = append(b.lines, e)
	return b.all.Write(line)
}

func (b *logbook) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// find gives the lines so far that have the message and match. A nil match fits all.
func (b *logbook) find(msg string, match func(entry) bool) []entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []entry
	for _, e := range b.lines {
		if e["msg"] == msg && (match == nil || match(e)) {
			found = append(found, e)
		}
	}
	return found
}

// await waits until find gives count lines or more.
func (b *logbook) await(t *testing.T, msg string, count int, match func(entry) bool) []entry {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		found := b.find(msg, match)
		if len(found) >= count {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d lines with msg=%s that match, want %d", len(found), msg, count)
		}
	}
}
