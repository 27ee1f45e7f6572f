package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultsAreWhole(t *testing.T) {
	d := newDocument("tlsrelay.toml", annotated)
	d.decode(new(Config))
	if err := d.problems.err(); err != nil {
		t.Fatal(err)
	}
	// Every key of the Config stands in the file with its value, except in tables that are there once for each domain.
	for _, path := range paths(reflect.TypeFor[Config](), "") {
		if strings.HasPrefix(path, "route") || strings.HasPrefix(path, "tls.domain") || strings.HasPrefix(path, "tenant") ||
			strings.HasPrefix(path, "certificate.more") || strings.HasPrefix(path, "delivery.domain") ||
			strings.HasPrefix(path, "delivery.source_name") || strings.HasPrefix(path, "notices.sender") {
			continue
		}
		if !d.has(path) && !d.has(strings.Replace(path, "listener.", "listener[0].", 1)) {
			t.Errorf("tlsrelay.toml does not have %s", path)
		}
	}
}

// paths lists all keys of a table and of the tables below it.
func paths(table reflect.Type, prefix string) []string {
	var all []string
	for i := range table.NumField() {
		f := table.Field(i)
		path := child(prefix, tagOf(f))
		switch {
		case isTable(f.Type):
			all = append(all, paths(f.Type, path)...)
		case f.Type.Kind() == reflect.Slice && isTable(f.Type.Elem()):
			all = append(all, paths(f.Type.Elem(), path)...)
		default:
			all = append(all, path)
		}
	}
	return all
}

// The examples in the annotated file are lines that begin with "#" and no space: without it they are valid, and show
// every key that has no default.
func TestExamplesInDefaultsAreValid(t *testing.T) {
	text := regexp.MustCompile(`(?m)^#([^ \n])`).ReplaceAllString(string(annotated), "$1")
	text = strings.Replace(text, "cert = \"\"\nkey = \"\"\n", "cert = \"first.pem\"\nkey = \"first.key\"\n", 1) // the others need it
	c, err := parseTest("tlsrelay.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Certificate.More) != 1 || len(c.Routes) != 1 || len(c.TLS.Domains) != 2 || len(c.Tenants) != 2 {
		t.Errorf("%d certificates, %d routes, %d domains and %d tenants, want 1, 1, 2 and 2",
			len(c.Certificate.More), len(c.Routes), len(c.TLS.Domains), len(c.Tenants))
	}
	if len(c.Delivery.Domains) != 1 || len(c.Delivery.SourceNames) != 1 {
		t.Errorf("%d domains and %d names in [delivery], want 1 and 1", len(c.Delivery.Domains), len(c.Delivery.SourceNames))
	}
	if len(c.Notices.Senders) != 2 {
		t.Errorf("%d senders in [notices], want 2", len(c.Notices.Senders))
	}
	d := newDocument("tlsrelay.toml", []byte(text))
	keys := append(paths(reflect.TypeFor[Route](), "route[0]"), paths(reflect.TypeFor[TLSDomain](), "tls.domain[1]")...)
	keys = append(keys, paths(reflect.TypeFor[Tenant](), "tenant[1]")...)
	keys = append(keys, paths(reflect.TypeFor[DeliveryDomain](), "delivery.domain[0]")...)
	keys = append(keys, paths(reflect.TypeFor[SourceName](), "delivery.source_name[0]")...)
	keys = append(keys, paths(reflect.TypeFor[NoticeSender](), "notices.sender[1]")...)
	for _, path := range keys {
		if !d.has(path) && !d.has(strings.Replace(path, "[1]", "[0]", 1)) {
			t.Errorf("no example for %s", path)
		}
	}
}

func TestUserFileOverDefaults(t *testing.T) {
	c, err := parseTest("user.toml", `
[[listener]]
address = ":587"
tls = "starttls"
auth = "required"

[queue]
retry = ["1m"]

[limits]
recipients = 7
`)
	if err != nil {
		t.Fatal(err)
	}
	defaults, err := parseTest("defaults", "")
	if err != nil {
		t.Fatal(err)
	}
	want := *defaults
	want.Listeners = []Listener{{Address: ":587", TLS: TLSStartTLS, Auth: AuthRequired}}
	want.Queue.Retry = []Duration{Duration(time.Minute)}
	want.Limits.Recipients = 7
	if diff := cmp.Diff(&want, c, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDefault(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/home/ann/state")
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "/home/ann/state/tlsrelay" {
		t.Errorf("DataDir is %s", c.DataDir)
	}
	if len(c.Listeners) != 1 || c.Listeners[0].Address != "127.0.0.1:2525" {
		t.Errorf("Listeners are %v, want only 127.0.0.1:2525", c.Listeners)
	}
	if c.Hostname == "" {
		t.Error("Hostname is empty")
	}
}

func TestStateDir(t *testing.T) {
	home := func() (string, error) { return "/home/ann", nil }
	noHome := func() (string, error) { return "", errors.New("$HOME is not defined") }
	for _, tc := range []struct {
		xdg  string
		home func() (string, error)
		want string // "" for an error
	}{
		{"/state", noHome, "/state/tlsrelay"},
		{"", home, "/home/ann/.local/state/tlsrelay"},
		{"relative", home, "/home/ann/.local/state/tlsrelay"},
		{"", noHome, ""},
	} {
		got, err := stateDir(tc.xdg, tc.home)
		if got != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("stateDir(%q) = %q, %v; want %q", tc.xdg, got, err, tc.want)
		}
		if err != nil && !strings.Contains(err.Error(), "set data_dir") {
			t.Errorf("error %q does not say what to do", err)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "relay.toml")
	write(t, file, "hostname = \"relay.example.net\"\ndata_dir = \"spool\"\n")
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "spool"); c.DataDir != want {
		t.Errorf("DataDir is %s, want %s: it starts at the folder of the file", c.DataDir, want)
	}

	t.Chdir(dir)
	if c, err = Load("relay.toml"); err != nil || !filepath.IsAbs(c.DataDir) {
		t.Errorf("a file named without a folder: %v, %v", c, err)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bad.toml"), "x = 1\n")
	write(t, filepath.Join(dir, "large.toml"), strings.Repeat("#", maxFile+1))
	for name, want := range map[string]string{
		"none.toml":  "cannot read the configuration: open " + filepath.Join(dir, "none.toml"),
		".":          "is a directory",
		"bad.toml":   filepath.Join(dir, "bad.toml") + ":1: x: there is no such key",
		"large.toml": filepath.Join(dir, "large.toml") + ": is larger than 1 MiB",
	} {
		c, err := Load(filepath.Join(dir, name))
		if c != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%s) = %v, %v; want an error with %q", name, c, err, want)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMachineName(t *testing.T) {
	for _, tc := range []struct {
		machine string
		err     error
		want    string // the hostname, or a part of the error
	}{
		{"Mail.Example.NET", nil, "mail.example.net"},
		{"localhost", nil, "localhost"},
		{"my_box", nil, `test.toml: hostname: this machine's name, "my_box", is no name for a mail server; write`},
		{"", errors.New("no such thing"), "test.toml: hostname: this machine's name cannot be told (no such thing); write"},
	} {
		env := testSurroundings()
		env.hostname = func() (string, error) { return tc.machine, tc.err }
		c, err := parse("test.toml", nil, env)
		if err != nil {
			if !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("%q: error %q, want %q", tc.machine, err, tc.want)
			}
		} else if c.Hostname != tc.want {
			t.Errorf("%q: hostname %q, want %q", tc.machine, c.Hostname, tc.want)
		}
		// With a name in the file, the machine's does not matter.
		if _, err := parse("test.toml", []byte(`hostname = "relay.example.net"`), env); err != nil {
			t.Error(err)
		}
	}
}

// An exception holds through its last day in UTC. When it is over it is worth a warning, and does not keep the relay down.
func TestUntilIsTheLastDay(t *testing.T) {
	const text = `tls.domain = [{name = "old.example", level = "opportunistic", until = "2026-12-31", why = "moving"}]`
	last := time.Date(2026, time.December, 31, 23, 59, 59, 0, time.UTC)
	c, err := parseTest("test.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	if end := c.TLS.Domains[0].Until.End(); !end.Equal(last.Add(time.Second)) {
		t.Errorf("End is %v", end)
	}
	if w := c.Warnings(last); len(w) != 0 {
		t.Errorf("warned too early: %q", w)
	}
	after := last.Add(time.Second).In(time.FixedZone("", -5*3600))
	if w := c.Warnings(after); len(w) != 1 || !strings.Contains(w[0], "old.example") {
		t.Errorf("warnings %q", w)
	}
}

// Only an address that other machines can reach is worth a warning.
func TestWarningOfAdminAddress(t *testing.T) {
	for address, warns := range map[string]bool{
		"": false, "127.0.0.1:8025": false, "127.1.2.3:0": false, "[::1]:8025": false, "[::ffff:127.0.0.1]:8025": false,
		":8025": true, "0.0.0.0:8025": true, "[::]:8025": true, "192.0.2.1:8025": true, "10.0.0.1:8025": true,
	} {
		c, err := parseTest("test.toml", fmt.Sprintf("admin.address = %q", address))
		if err != nil {
			t.Fatal(err)
		}
		w := c.Warnings(time.Now())
		if len(w) > 1 || len(w) == 1 != warns || warns && (!strings.Contains(w[0], address) || !strings.Contains(w[0], "no password")) {
			t.Errorf("%q: %q", address, w)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(string(annotated))
	for _, folder := range []string{"good", "bad"} {
		for _, file := range corpus(f, folder) {
			f.Add(readFile(f, file))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseTest("fuzz.toml", text)
		if err == nil {
			printAgain(t, c)
			return
		}
		for i, line := range strings.Split(err.Error(), "\n") {
			if problems := err.(Problems); i >= len(problems) || !strings.HasPrefix(line, "fuzz.toml:") {
				t.Errorf("%d problems, and line %d is %q", len(problems), i, line)
			}
		}
	})
}
