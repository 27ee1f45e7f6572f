package relay

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
