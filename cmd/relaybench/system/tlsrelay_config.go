//go:build linux

package system

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// relayConfig is what all relays have in common.
const relayConfig = `hostname = "relay.bench.test"
data_dir = "data"
[[listener]]
address = "127.0.0.1:0"
tls = %q
auth = "off"
networks = ["127.0.0.0/8"]
[limits]
connections = %d
message_size = "%dB"
[queue]
lifetime = "30d"
delay_notice = "off"
`

// relayHolds tries what is deferred again when the bench is long over.
const relayHolds = `retry = ["20d"]
`

// relayRoute sends all mail to one place.
const relayRoute = `[[route]]
domain = "*"
hosts = [%q]
`

// relayOneConnection holds delivery at the price of one idle connection.
const relayOneConnection = `[delivery]
connections = 1
connections_per_destination = 1
`

// text writes the configuration.
func (r *Relay) text() string {
	tls := "off"
	if r.opts.Certificate != "" {
		tls = "starttls"
	}
	var b strings.Builder
	fmt.Fprintf(&b, relayConfig, tls, r.opts.Connections, r.opts.MessageSize)
	if d := r.opts.Delivery; d != nil {
		d.relay(&b)
	} else {
		b.WriteString(relayHolds)
		fmt.Fprintf(&b, relayRoute, r.next)
		if !r.opts.Busy {
			b.WriteString(relayOneConnection)
		}
	}
	if r.opts.Certificate != "" {
		fmt.Fprintf(&b, "[certificate]\ncert = %q\nkey = %[1]q\n", r.opts.Certificate)
	}
	if r.opts.Sign != nil {
		b.WriteString("[dkim]\nkeys = \"keys\"\n")
	}
	return b.String()
}

// relay writes it for tlsrelay, behind the [queue] section. Hosts of the bench have loopback addresses.
func (d *Delivery) relay(b *strings.Builder) {
	fmt.Fprintf(b, "retry = [%q]\n", seconds(d.Retry))
	fmt.Fprint(b, "[delivery]\nprivate_addresses = true\n")
	if d.PerHost > 0 {
		fmt.Fprintf(b, "connections_per_destination = %d\n", d.PerHost)
	}
	if !d.Host.IsValid() {
		fmt.Fprintf(b, "port = %d\n[dns]\nservers = [%q]\n", d.Port, d.DNS)
	}
	if !d.TLS {
		fmt.Fprint(b, "[tls]\nlevel = \"opportunistic\"\n")
	} else if d.NoProbe {
		fmt.Fprint(b, "[tls]\nprobe = false\n")
	}
	if d.Host.IsValid() {
		fmt.Fprintf(b, relayRoute, d.Host)
	}
}

// RouteTo sends all mail to a host from now on.
func (r *Relay) RouteTo(ctx context.Context, next string) error {
	r.next = next
	if err := r.configure(); err != nil || !r.running() {
		return err
	}
	log := logCounter{files: []string{r.child.log}, text: []byte("the configuration was read again")}
	before, err := log.count()
	if err != nil {
		return err
	}
	r.child.cmd.Process.Signal(syscall.SIGHUP)
	return r.child.await(ctx, "tlsrelay after SIGHUP", func() bool {
		now, err := log.count()
		return err == nil && now > before
	})
}

func (r *Relay) configure() error { return os.WriteFile(r.config(), []byte(r.text()), 0o600) }

// Signing says which mail a relay signs with DKIM.
type Signing struct {
	Domain string // of the sender
	Type   string // of the key: "ed25519" or "rsa"
}

// newKey makes the key for the signatures.
func (r *Relay) newKey(ctx context.Context) error {
	_, err := output(ctx, r.opts.Program, "dkim", "new", r.opts.Sign.Domain, "--type", r.opts.Sign.Type, "--config", r.config())
	return err
}

// Signed says what is wrong if a message in the queue of the running relay has no signature of the kind that was asked for.
func (r *Relay) Signed(ctx context.Context, id string) error {
	text, err := output(ctx, r.opts.Program, "queue", "show", "--text", id, "--config", r.config())
	if err != nil {
		return err
	}
	header, _, _ := bytes.Cut(text, []byte("\r\n\r\n"))
	for _, want := range []string{"DKIM-Signature:", "a=" + r.opts.Sign.Type + "-sha256;", "d=" + r.opts.Sign.Domain + ";"} {
		if !bytes.Contains(header, []byte(want)) {
			return fmt.Errorf("message %s was to be signed, but its header lacks %q:\n%s", id, want, header)
		}
	}
	return nil
}
