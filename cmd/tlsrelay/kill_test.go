package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tlsrelay/relay/dns/dnstest"
)

// killCycles is small for everyday runs; -kill 5000 is a night's campaign.
var killCycles = flag.Int("kill", 50, "how often TestKill kills the relay")

// TestKill kills the relay with SIGKILL at random moments under load, and accounts for every message that it had
// acknowledged: delivered, still queued, or bounced to its sender.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about half a minute")
	}
	k := newKillRig(t)
	for range *killCycles {
		p := k.start(t)
		k.load(p, time.Duration(20+rand.IntN(180))*time.Millisecond, p.kill)
	}
	p := k.start(t)
	t.Cleanup(p.kill)
	k.account(t, p)
}

// killRig is what stays while the relay comes and goes: program, configuration, mail hosts, and the books.
type killRig struct {
	program, config string
	good, sender    *demoHost
	next            atomic.Int64

	mu        sync.Mutex
	sent      int
	acked     map[string]string // token to queue ID
	delivered map[string]int    // token to number of copies
	bounced   map[string]int
}

// tokenPattern finds the mark that each message carries.
var tokenPattern = regexp.MustCompile(`token-\d+`)

func newKillRig(t *testing.T) *killRig {
	t.Helper()
	dir := t.TempDir()
	k := &killRig{
		program: filepath.Join(dir, "tlsrelay"), config: filepath.Join(dir, "relay.toml"),
		acked: map[string]string{}, delivered: map[string]int{}, bounced: map[string]int{},
	}
	if out, err := exec.Command("go", "build", "-o", k.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	k.good = k.collect(t, "mx.good.example", k.delivered)
	k.sender = k.collect(t, "mx.sender.example", k.bounced)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close() // mail for dead.example stays queued
	// bounce.example is in no zone: NXDOMAIN, an immediate bounce.
	names := dnstest.Serve(t, dnstest.Zone{})
	text := fmt.Sprintf(`
hostname = "relay.example.net"
data_dir = %q
[[listener]]
address = "127.0.0.1:0"
tls = "off"
auth = "off"
networks = ["127.0.0.0/8"]
[dns]
servers = [%q]
[[route]]
domain = "good.example"
hosts = [%q]
[[route]]
domain = "sender.example"
hosts = [%q]
[[route]]
domain = "dead.example"
hosts = [%q]
[log]
format = "json"
`, filepath.Join(dir, "data"), names.Addr(), k.good.address(), k.sender.address(), dead.Addr())
	if err := os.WriteFile(k.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

// collect starts a mail host and books the tokens of what it gets.
func (k *killRig) collect(t *testing.T, name string, book map[string]int) *demoHost {
	t.Helper()
	h, err := startDemoHost(name, tls.VersionTLS13)
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for text := range h.received {
			k.mu.Lock()
			for _, token := range slices.Compact(slices.Sorted(slices.Values(tokenPattern.FindAllString(text, -1)))) {
				book[token]++
			}
			k.mu.Unlock()
		}
	})
	t.Cleanup(func() { h.stop(); close(h.received); done.Wait() })
	return h
}

// relayProcess is one life of the relay.
type relayProcess struct {
	cmd     *exec.Cmd
	address string
	ended   chan struct{} // closed when the program has closed its log

	mu  sync.Mutex
	log bytes.Buffer
}

// said gives the log so far.
func (p *relayProcess) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// start starts the program and waits until it is ready.
func (k *killRig) start(t *testing.T) *relayProcess {
	t.Helper()
	p := &relayProcess{cmd: exec.Command(k.program, "serve", "--config", k.config), ended: make(chan struct{})}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct {
				Msg       string
				Listeners []string
			}
			json.Unmarshal(lines.Bytes(), &line)
			if line.Msg == "ready" {
				ready <- line.Listeners[0]
			}
			if line.Msg != "accepted" && line.Msg != "delivery" {
				p.mu.Lock()
				fmt.Fprintln(&p.log, lines.Text())
				p.mu.Unlock()
			}
		}
	}()
	select {
	case p.address = <-ready:
	case <-p.ended:
		t.Fatalf("the relay did not start: %v\n%s", p.cmd.Wait(), p.said())
	case <-time.After(20 * time.Second):
		p.kill()
		t.Fatalf("the relay is not ready after 20 s\n%s", p.said())
	}
	return p
}

func (p *relayProcess) kill() {
	p.cmd.Process.Kill()
	<-p.ended
	p.cmd.Wait()
}

// load sends mail from several clients for a while, then ends the relay, then the clients.
func (k *killRig) load(p *relayProcess, d time.Duration, end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				k.send(p.address)
			}
		})
	}
	time.Sleep(d)
	end()
	cancel()
	clients.Wait()
}

var queuedAs = regexp.MustCompile(`queued as (\S+)`)

// send hands in one message for one of the three kinds of destinations, and books it when it was acknowledged.
func (k *killRig) send(address string) {
	n := k.next.Add(1)
	token := fmt.Sprintf("token-%d", n)
	to := []string{"a@good.example", "a@dead.example", "a@bounce.example"}[n%3]
	c, err := smtp.Dial(address)
	if err != nil {
		time.Sleep(time.Millisecond) // the relay is gone
		return
	}
	defer c.Close()
	if c.Mail("app@sender.example") != nil || c.Rcpt(to) != nil {
		return
	}
	k.mu.Lock()
	k.sent++
	k.mu.Unlock()
	// The reply to the final dot holds the ID, so it is read by hand.
	id, err := c.Text.Cmd("DATA")
	if err != nil {
		return
	}
	c.Text.StartResponse(id)
	_, _, err = c.Text.ReadResponse(354)
	c.Text.EndResponse(id)
	if err != nil {
		return
	}
	w := c.Text.DotWriter()
	fmt.Fprintf(w, "From: app@sender.example\nTo: %s\nSubject: %s\n\n%s\n", to, token, strings.Repeat("text of "+token+"\n", 20))
	if w.Close() != nil {
		return
	}
	_, text, err := c.Text.ReadResponse(250)
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.acked[token] = queuedAs.FindStringSubmatch(text)[1]
}

// account waits until every acknowledged message is found somewhere.
func (k *killRig) account(t *testing.T, p *relayProcess) {
	t.Helper()
	var lost []string
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		queued := k.queued(t)
		k.mu.Lock()
		lost = nil
		waiting := 0
		for token, id := range k.acked {
			switch {
			case k.delivered[token] > 0 || k.bounced[token] > 0:
			case queued[id] == "dead.example":
			case queued[id] != "":
				waiting++
			default:
				lost = append(lost, token+" as "+id)
			}
		}
		k.mu.Unlock()
		if waiting == 0 && len(lost) == 0 || time.Now().After(deadline) {
			if waiting > 0 {
				t.Errorf("%d messages were not tried within a minute of the last start", waiting)
			}
			break
		}
	}
	if len(lost) > 0 {
		t.Errorf("%d acknowledged messages are lost: %v\nrelay: %s", len(lost), lost[:min(len(lost), 10)], p.said())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	double := 0
	for n := range maps.Values(k.delivered) {
		double += n - 1
	}
	if len(k.acked) < *killCycles || len(k.delivered) == 0 || len(k.bounced) == 0 {
		t.Errorf("too little happened: %d acknowledged, %d delivered, %d bounced", len(k.acked), len(k.delivered), len(k.bounced))
	}
	t.Logf("%d kills: %d sent, %d acknowledged, %d delivered (%d copies too many), %d bounced, %d lost",
		*killCycles, k.sent, len(k.acked), len(k.delivered), double, len(k.bounced), len(lost))
}

// queued asks the relay for its queue: ID to destination.
func (k *killRig) queued(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command(k.program, "queue", "list", "--json", "--config", k.config).Output()
	if err != nil {
		t.Fatalf("queue list: %v", err)
	}
	found := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var m struct {
			ID         string
			Recipients []struct{ Address string }
		}
		if err := d.Decode(&m); err != nil {
			t.Fatal(err)
		}
		found[m.ID] = m.Recipients[0].Address[strings.IndexByte(m.Recipients[0].Address, '@')+1:]
	}
	return found
}
