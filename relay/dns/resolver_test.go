package dns

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/relay/dns/dnstest"
)

var _ Resolver = (*Client)(nil)

// client asks the servers given, with little patience.
func client(t *testing.T, o Options) *Client {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewServers(t *testing.T) {
	c, err := New(Options{Servers: []string{"192.0.2.1", "2001:db8::1", "[2001:db8::2]:5353", "192.0.2.2:54"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"192.0.2.1:53", "[2001:db8::1]:53", "[2001:db8::2]:5353", "192.0.2.2:54"}
	if diff := cmp.Diff(want, c.servers); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "ns.example.org", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:70000", "[::1]"} {
		if _, err := New(Options{Servers: []string{bad}}); err == nil {
			t.Errorf("server %q was taken", bad)
		}
	}
	if c := client(t, Options{}); len(c.servers) == 0 {
		t.Error("no server by default")
	}
}

func TestServersFrom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	for content, want := range map[string][]string{
		"search example.org\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n": {"192.0.2.1:53", "[2001:db8::1]:53"},
		"nameserver fe80::1%eth0\n": {"[fe80::1%eth0]:53"},
		"nameserver nonsense\n":     {"127.0.0.1:53"},
		"":                          {"127.0.0.1:53"},
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, serversFrom(file)); diff != "" {
			t.Errorf("%q: %s", content, diff)
		}
	}
	if diff := cmp.Diff([]string{"127.0.0.1:53"}, serversFrom(file+".missing")); diff != "" {
		t.Error(diff)
	}
}

func TestLocalhostNeedsNoServer(t *testing.T) {
	srv := dnstest.Serve(t, nil)
	c := client(t, Options{Servers: []string{srv.Addr()}})
	for _, host := range []string{"localhost", "LocalHost.", "mx.localhost"} {
		a, err := c.LookupAddrs(t.Context(), host)
		if err != nil || len(a.Addrs) != 2 || a.Addrs[0].String() != "127.0.0.1" || a.Addrs[1].String() != "::1" {
			t.Errorf("%s: %v, %v", host, a, err)
		}
		if mx, err := c.LookupMX(t.Context(), host); err != nil || len(mx.Hosts) != 0 || mx.Null {
			t.Errorf("%s: %v, %v", host, mx, err)
		}
	}
	if q := srv.Queries(); len(q) != 0 {
		t.Errorf("the server was asked %v", q)
	}
}

func TestBadNamesAreNotAsked(t *testing.T) {
	srv := dnstest.Serve(t, nil)
	c := client(t, Options{Servers: []string{srv.Addr()}})
	for _, name := range []string{"", "192.0.2.1", "a..b", "evil\x1b[31m.example"} {
		_, err1 := c.LookupMX(t.Context(), name)
		_, err2 := c.LookupAddrs(t.Context(), name)
		for _, err := range []error{err1, err2} {
			if !errors.Is(err, ErrTrouble) || errors.Is(err, ErrNoSuchDomain) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if q := srv.Queries(); len(q) != 0 {
		t.Errorf("the server was asked %v", q)
	}
}

func TestServersInTurn(t *testing.T) {
	zone := dnstest.Zone{"example.org": {MX: []string{"10 mx.example.org."}}}
	dead := dnstest.Serve(t, dnstest.Zone{"example.org": {Fault: dnstest.ServFail}})
	good := dnstest.Serve(t, zone)
	c := client(t, Options{Servers: []string{dead.Addr(), good.Addr()}})
	for range 3 {
		if a, err := c.LookupMX(t.Context(), "example.org"); err != nil || len(a.Hosts) != 1 {
			t.Fatalf("%v, %v", a, err)
		}
	}
	if n := len(dead.Queries()); n != 1 {
		t.Errorf("the failing server was asked %d times, want once", n)
	}
}

func TestTroubleNamesServersAndQuestion(t *testing.T) {
	one := dnstest.Serve(t, dnstest.Zone{"example.org": {Fault: dnstest.ServFail}})
	two := dnstest.Serve(t, dnstest.Zone{"example.org": {Fault: dnstest.Refused}})
	c := client(t, Options{Servers: []string{one.Addr(), two.Addr()}})
	_, err := c.LookupMX(t.Context(), "Example.ORG.")
	want := "DNS look-up of MX example.org failed: " +
		one.Addr() + " answered SERVFAIL; " + two.Addr() + " answered REFUSED"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var trouble *TroubleError
	if !errors.Is(err, ErrTrouble) || !errors.As(err, &trouble) || trouble.Question != "MX example.org" {
		t.Errorf("not typed: %#v", err)
	}
	if n := len(one.Queries()); n != rounds {
		t.Errorf("asked %d times, want %d", n, rounds)
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		fault  dnstest.Fault
		reason string
	}{
		{dnstest.ServFail, "answered SERVFAIL"},
		{dnstest.Refused, "answered REFUSED"},
		{dnstest.Drop, "gave no answer within 50ms"},
		{dnstest.Lame, "lame answer"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			srv := dnstest.Serve(t, dnstest.Zone{"example.org": {Fault: tt.fault}})
			c := client(t, Options{Servers: []string{srv.Addr()}, Timeout: 50 * time.Millisecond})
			_, mx := c.LookupMX(t.Context(), "example.org")
			_, addrs := c.LookupAddrs(t.Context(), "example.org")
			for _, err := range []error{mx, addrs} {
				if !errors.Is(err, ErrTrouble) || !strings.Contains(err.Error(), tt.reason) {
					t.Errorf("got %v, want %q", err, tt.reason)
				}
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	srv, err := dnstest.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	srv.Close()
	c := client(t, Options{Servers: []string{srv.Addr()}})
	_, err = c.LookupMX(t.Context(), "example.org")
	if !errors.Is(err, ErrTrouble) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("got %v", err)
	}
}

func TestContextEnds(t *testing.T) {
	srv := dnstest.Serve(t, dnstest.Zone{"example.org": {Fault: dnstest.Drop}})
	c := client(t, Options{Servers: []string{srv.Addr()}, Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	start := time.Now()
	_, err := c.LookupMX(ctx, "example.org")
	if !errors.Is(err, ErrTrouble) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if time.Since(start) > 30*time.Second {
		t.Error("the end of the context did not end the look-up")
	}
}

func TestTruncatedGoesOverTCP(t *testing.T) {
	srv := dnstest.Serve(t, dnstest.Zone{"example.org": {MX: []string{"10 mx.example.org."}, Fault: dnstest.Truncate}})
	c := client(t, Options{Servers: []string{srv.Addr()}})
	if a, err := c.LookupMX(t.Context(), "example.org"); err != nil || len(a.Hosts) != 1 {
		t.Fatalf("%v, %v", a, err)
	}
	if want := []string{"MX example.org.", "MX example.org./tcp"}; !slices.Equal(srv.Queries(), want) {
		t.Errorf("asked %v, want %v", srv.Queries(), want)
	}
}
