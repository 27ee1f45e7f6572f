package relay

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
)

// What is written for single domains arrives where mail is delivered, also with a reload; only keep_idle waits for a restart.
func TestDeliveryDomains(t *testing.T) {
	dir := t.TempDir()
	parse := func(text string) *configs.Config {
		cfg, err := configs.Parse(filepath.Join(dir, "relay.toml"), []byte(`
hostname = "relay.test"
data_dir = "data"
[[listener]]
address = "127.0.0.1:0"
tls = "off"
auth = "off"
networks = ["127.0.0.0/8"]
[[route]]
domain = "*"
hosts = ["127.0.0.1:1"]
[delivery]
connections_per_destination = 7
`+text))
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	var log strings.Builder
	r, err := New(parse(""), slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	expect := func(destination string, want queue.Site) {
		t.Helper()
		if s := r.live.Resolve(context.Background(), destination); s != want {
			t.Errorf("%s: %+v, want %+v", destination, s, want)
		}
	}
	expect("a.test", queue.Site{Name: "route * (required/1.2)", Workers: 7})

	rules := "[[delivery.domain]]\nname = \".test\"\nmessages_per_minute = 60\n[[delivery.domain]]\nname = \"A.test\"\nconnections = 2\n"
	if err := r.Reload(parse(rules)); err != nil {
		t.Fatal(err)
	}
	expect("a.test", queue.Site{Name: "route * (required/1.2, as a.test)", Workers: 2})
	expect("b.test", queue.Site{Name: "route * (required/1.2, as .test)", Workers: 7, PerMinute: 60})
	expect("example.org", queue.Site{Name: "route * (required/1.2)", Workers: 7})
	if strings.Contains(log.String(), "restart") {
		t.Errorf("a restart is asked for:\n%s", log.String())
	}
	if err := r.Reload(parse("keep_idle = \"7s\"\nmessages_per_connection = 3\n" + rules)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), `"changed":"delivery.keep_idle"`) {
		t.Errorf("no restart is asked for:\n%s", log.String())
	}
}

// register is a mail host that notes who comes, and when that one goes.
type register struct {
	sink
	came chan string // address and EHLO name
	went chan string // address
}

type visit struct {
	sink
	logout func()
}

func (v visit) Logout() error { v.logout(); return nil }

func (r register) NewSession(c *smtp.Conn) (smtp.Session, error) {
	address := c.Conn().RemoteAddr().(*net.TCPAddr).IP.String()
	r.came <- address + " " + c.Hostname()
	return visit{r.sink, func() { r.went <- address }}, nil
}

func soon(t *testing.T, c <-chan string) string {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("nothing for ten seconds")
	}
	return ""
}

// How connections are made and kept is what the configuration says.
func TestConnectionsAsConfigured(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := register{sink{make(chan string, 100), new(atomic.Bool)}, make(chan string, 100), make(chan string, 100)}
	host.open.Store(true)
	server := smtp.NewServer(host)
	var served sync.WaitGroup
	served.Go(func() { server.Serve(l) })
	defer served.Wait()
	defer server.Close()

	cfg := testConfig(t, t.TempDir(), l.Addr().String())
	second := netip.MustParseAddr("127.0.0.3")
	cfg.Delivery.Source = []netip.Addr{netip.MustParseAddr("127.0.0.2"), second}
	cfg.Delivery.SourceNames = []configs.SourceName{{Address: second, Name: "out3.test"}}
	cfg.Delivery.ConnectionsPerDestination = 1
	cfg.Delivery.MessagesPerConnection = 2
	cfg.Delivery.KeepIdle = configs.Duration(time.Second)
	log := &logLines{}
	r, err := New(cfg, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ran sync.WaitGroup
	ran.Go(func() { r.Run(ctx) })
	defer ran.Wait()
	defer cancel()
	log.find(t, "ready")

	for range 3 {
		sendMail(t, r.Addrs()[0].String(), "a@dest.test")
		soon(t, host.got)
	}
	last := time.Now()
	if a, b := soon(t, host.came), soon(t, host.came); a != "127.0.0.2 relay.test" || b != "127.0.0.3 out3.test" || len(host.came) > 0 {
		t.Errorf("came %s, %s and %d more", a, b, len(host.came))
	}
	if first, then := soon(t, host.went), soon(t, host.went); first != "127.0.0.2" || then != "127.0.0.3" {
		t.Errorf("went %s, %s", first, then)
	}
	if kept := time.Since(last); kept < time.Second/2 || kept > 4*time.Second {
		t.Errorf("the connection was kept for %v without mail, want a second", kept)
	}
}

func TestDomainsOf(t *testing.T) {
	cfg, err := configs.Parse("relay.toml", []byte(`
[delivery]
messages_per_connection = 100
[[delivery.source_name]]
address = "192.0.2.2"
name = "out2.example.net"
[[delivery.domain]]
name = "example.org"
source = ["192.0.2.2", "2001:db8::2"]
[[delivery.domain]]
name = ".example.org"
connections = 1
messages_per_connection = 2
messages_per_minute = 3
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []delivery.Domain{
		{Name: "example.org", Connections: 20, MessagesPerConnection: 100,
			Source: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")}},
		{Name: ".example.org", Connections: 1, MessagesPerConnection: 2, MessagesPerMinute: 3},
	}
	if got := domainsOf(cfg); !slices.EqualFunc(got, want, func(a, b delivery.Domain) bool {
		sources := slices.Equal(a.Source, b.Source)
		a.Source, b.Source = nil, nil
		return sources && a.Name == b.Name && a.Connections == b.Connections && a.MessagesPerConnection == b.MessagesPerConnection &&
			a.MessagesPerMinute == b.MessagesPerMinute
	}) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if names := sourceNamesOf(cfg); len(names) != 1 || names[netip.MustParseAddr("192.0.2.2")] != "out2.example.net" {
		t.Errorf("names: %v", names)
	}
}
