package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/smtp"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"tlsrelay/configs"
	"tlsrelay/relay"
	"tlsrelay/relay/dns/dnstest"
)

type demoCommand struct {
	Language string `enum:"en,de" default:"en" help:"Language of the notices: en or de."`
}

func (demoCommand) Help() string {
	return `Starts a real relay and three mail servers on loopback, sends a mail to each, shows every attempt, and prints the
notice that the sender gets. Three days of retries are shortened to three seconds; nothing else is staged. It needs no
network, and leaves nothing behind.

Example: tlsrelay demo --language de`
}

// demoDestination is a domain of the demo and the server that plays its MX host.
type demoDestination struct {
	domain, about string
	version       uint16
}

const demoSender = "shop@sender.example"

// demoDestinations lists the sender's own domain last: the notices go there.
func demoDestinations() []demoDestination {
	return []demoDestination{
		{"modern.example", "offers TLS 1.3", tls.VersionTLS13},
		{"old.example", "offers TLS 1.0 and nothing newer", tls.VersionTLS10},
		{"plain.example", "offers no STARTTLS", 0},
		{"sender.example", "is the sender's own server", tls.VersionTLS13},
	}
}

// demoTime bounds the whole show.
const demoTime = 30 * time.Second

func (c *demoCommand) Run(std streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, demoTime)
	defer cancel()
	dir, err := os.MkdirTemp("", "tlsrelay-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	hosts := map[string]*demoHost{}
	for _, d := range demoDestinations() {
		h, err := startDemoHost("mx."+d.domain, d.version)
		if err != nil {
			return err
		}
		defer h.stop()
		hosts[d.domain] = h
	}
	names, err := dnstest.Start(demoZone(hosts))
	if err != nil {
		return err
	}
	defer names.Close()
	cfg, err := configs.Parse(filepath.Join(dir, "demo.toml"), []byte(demoConfig(dir, c.Language, names.Addr(), hosts)))
	if err != nil {
		return err
	}
	screen := &demoScreen{out: std.out, start: time.Now()}
	r, err := relay.New(cfg, slog.New(screen))
	if err != nil {
		return err
	}
	running, stopRelay := context.WithCancel(ctx)
	defer stopRelay()
	done := make(chan error, 1)
	go func() { done <- r.Run(running) }()

	err = c.show(ctx, screen, r.Addrs()[0].String(), hosts)
	stopRelay()
	return errors.Join(err, <-done)
}

// show sends the mails and prints what comes of them.
func (c *demoCommand) show(ctx context.Context, screen *demoScreen, relayAddress string, hosts map[string]*demoHost) error {
	screen.print("The relay listens on %s; its floor is TLS 1.2.\n", relayAddress)
	destinations := demoDestinations()
	for _, d := range destinations {
		screen.print("  %-15s %s", d.domain, d.about)
	}
	screen.print("\n%s sends a mail to each of the first three:\n", demoSender)
	lost := destinations[:len(destinations)-1]
	for _, d := range lost {
		text := fmt.Sprintf("From: %s\r\nTo: anna@%s\r\nSubject: Your order\r\n\r\nIt is on its way.\r\n", demoSender, d.domain)
		if err := smtp.SendMail(relayAddress, nil, demoSender, []string{"anna@" + d.domain}, []byte(text)); err != nil {
			return fmt.Errorf("handing the mail for %s to the relay: %w", d.domain, err)
		}
	}
	var notices []string
	for range lost[1:] {
		select {
		case text := <-hosts["sender.example"].received:
			notices = append(notices, text)
		case <-ctx.Done():
			return fmt.Errorf("the notices did not arrive in time: %w", ctx.Err())
		}
	}
	return screen.notices(notices, "old.example")
}

// demoZone gives each host an address.
func demoZone(hosts map[string]*demoHost) dnstest.Zone {
	zone := dnstest.Zone{}
	for _, h := range hosts {
		zone[h.name+"."] = dnstest.Records{A: []string{"127.0.0.1"}}
	}
	return zone
}

// demoConfig is an ordinary configuration with a short schedule. Routes stand in for MX records, because MX hosts would all
// have to listen on one port.
func demoConfig(dir, language, names string, hosts map[string]*demoHost) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
hostname = "relay.example.net"
data_dir = %q
languages = [%q]
help_url = "https://help.example.net/mail/{cause}?domain={domain}&lang={lang}"
[[listener]]
address = "127.0.0.1:0"
tls = "off"
auth = "off"
networks = ["127.0.0.0/8"]
[dns]
servers = [%q]
[queue]
lifetime = "3s"
retry = ["1s"]
delay_notice = "off"
`, dir, language, names)
	for domain, h := range hosts {
		fmt.Fprintf(&b, "[[route]]\ndomain = %q\nhosts = [\"%s:%d\"]\n", domain, h.name, h.port())
	}
	return b.String()
}
