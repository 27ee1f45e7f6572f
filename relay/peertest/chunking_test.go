//go:build linux

package peertest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tlsrelay/relay/smtpclient"
)

// eximChunks has Exim take mail for anyone but "nobody" and keep it.
const eximChunks = `tls_advertise_hosts =
local_interfaces = %s
daemon_smtp_ports = %d
queue_only
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  deny local_parts = nobody
  accept
`

// TestOneRoundTrip sends messages over one kept session to Postfix and Exim, in each of the ways that the client has, and
// among them such as are refused after their text was sent.
func TestOneRoundTrip(t *testing.T) {
	needPackages(t, "postfix", "exim4-daemon-light")
	const atPostfix, atExim = "127.0.77.1", "127.0.77.2"
	n := newNetwork(t)
	box := n.startPostfix(t, "postfix.test", "dest.test", ">=TLSv1.2", atPostfix)
	exim := n.newExim(t, "exim.test", fmt.Sprintf(eximChunks, atExim, n.port()))
	p := start(t, exim.dir, exim.program, "-C", exim.config, "-bdf", "-oP", filepath.Join(exim.dir, "exim.pid"))
	p.await(t, greets("tcp", n.at(atExim)))

	peers := []struct {
		name, addr, nobody string
		take               func(t *testing.T, want int) []string
	}{
		{"Postfix", atPostfix, "nobody@elsewhere.test", func(t *testing.T, want int) []string { return takeMaildir(t, box, want) }},
		{"Exim", atExim, "nobody@dest.test", func(t *testing.T, _ int) []string { return exim.take(t) }},
	}
	for _, peer := range peers {
		for _, opts := range []smtpclient.Options{{}, {NoChunking: true}} {
			t.Run(fmt.Sprintf("%s, no chunking %v", peer.name, opts.NoChunking), func(t *testing.T) {
				sent := sendAll(t, n.at(peer.addr), peer.nobody, opts)
				got := peer.take(t, len(sent))
				slices.Sort(sent)
				slices.Sort(got)
				if !slices.Equal(sent, got) {
					t.Errorf("sent %.200q, got %.200q", sent, got)
				}
			})
		}
	}
}

// sendAll sends some good messages and some that are refused, and gives the bodies of the good ones, lines ended by LF.
func sendAll(t *testing.T, addr, nobody string, opts smtpclient.Options) (sent []string) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := smtpclient.New(nc, opts)
	defer c.Quit(t.Context())
	if _, err := c.Greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	ext, err := c.Hello(t.Context(), "relay.test")
	if err != nil || !ext.Pipelining || ext.Chunking == opts.NoChunking {
		t.Fatalf("extensions %+v, %v", ext, err)
	}
	bodies := []string{"one\n", ".\n..\n.two\n", "", "three\n", "", strings.Repeat("large\n", 50000), "four, data\n", strings.Repeat(".mid-sized\n", 5000)}
	envelope := func(i int) smtpclient.Envelope {
		env := smtpclient.Envelope{From: "sender@relay.test", To: []string{"user@dest.test"}}
		if bodies[i] == "" { // this one is for nobody
			env.To = []string{nobody}
		}
		return env
	}
	for i, body := range bodies {
		text := fmt.Sprintf("From: sender@relay.test\nSubject: %d\nMessage-ID: <%d.%v@relay.test>\n\n%s", i, i, opts.NoChunking, body)
		next := func() (smtpclient.Envelope, bool) {
			if i+1 == len(bodies) {
				return smtpclient.Envelope{}, false
			}
			return envelope(i + 1), true
		}
		res, err := c.Send(t.Context(), envelope(i), strings.NewReader(text), next)
		if body == "" {
			if !errors.Is(err, smtpclient.ErrNoRecipients) || !res.Rcpt[0].Refusal() {
				t.Fatalf("message %d for nobody: %+v, %v", i, res, err)
			}
			if err := c.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		whole := !opts.NoChunking && len(text) < 60000
		if err != nil || (res.Data.Code == 0) != whole || c.Ahead() != (opts.NoChunking && i+1 < len(bodies)) {
			t.Fatalf("message %d: %+v, ahead %v, %v", i, res, c.Ahead(), err)
		}
		sent = append(sent, body)
	}
	if !c.Alive() {
		t.Error("the session is dead at the end")
	}
	return sent
}

// takeMaildir waits for messages, gives their bodies and forgets them.
func takeMaildir(t *testing.T, box string, want int) (bodies []string) {
	t.Helper()
	for _, file := range received(t, box, want) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "\n\n")
		bodies = append(bodies, body)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	return bodies
}
