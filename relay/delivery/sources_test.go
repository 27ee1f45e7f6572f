package delivery

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/relay/dns/dnstest"
)

func addrsOf(list ...string) (addrs []netip.Addr) {
	for _, s := range list {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	return addrs
}

func TestSourceFor(t *testing.T) {
	d := New(Options{
		Source: addrsOf("192.0.2.1", "2001:db8::1", "192.0.2.2"),
		Domains: []Domain{
			{Name: "four.test", Source: addrsOf("192.0.2.4", "192.0.2.5", "192.0.2.6")},
			{Name: "six.test", Source: addrsOf("2001:db8::6")},
			{Name: "few.test", Connections: 1},
		},
	})
	const v4, v6 = "198.51.100.1", "2001:db8:ffff::1"
	for _, step := range []struct{ destination, remote, want string }{ // one after the other
		{"dest.test", v4, "192.0.2.1"},
		{"dest.test", v4, "192.0.2.2"},
		{"dest.test", v6, "2001:db8::1"},
		{"dest.test", "::ffff:198.51.100.1", "192.0.2.1"},
		{"four.test", v4, "192.0.2.4"},
		{"four.test", v4, "192.0.2.5"},
		{"four.test", v6, "2001:db8::1"},
		{"four.test", v4, "192.0.2.6"},
		{"four.test", v4, "192.0.2.4"},
		{"six.test", v6, "2001:db8::6"},
		{"six.test", v6, "2001:db8::6"},
		{"few.test", v4, "192.0.2.2"}, // the turn of all others
		{"six.test", v4, "192.0.2.1"},
	} {
		got, ok := d.sourceFor(step.destination, netip.MustParseAddr(step.remote))
		if !ok || got.String() != step.want {
			t.Errorf("%+v: %v, %v", step, got, ok)
		}
	}
	system := New(Options{Source: addrsOf("192.0.2.1")})
	if a, ok := system.sourceFor("dest.test", netip.MustParseAddr(v6)); ok {
		t.Errorf("%v for IPv6, though there is none in the list", a)
	}
}

// Workers ask at the same time; each address has its share all the same.
func TestSourcesInTurn(t *testing.T) {
	d := New(Options{Source: addrsOf("192.0.2.1", "192.0.2.2", "192.0.2.3")})
	var mu sync.Mutex
	count := map[netip.Addr]int{}
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			for range 50 {
				a, _ := d.sourceFor("dest.test", netip.MustParseAddr("198.51.100.1"))
				mu.Lock()
				count[a]++
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	for _, a := range d.opts.Source {
		if count[a] != 100 {
			t.Errorf("%v was taken %d times of 300", a, count[a])
		}
	}
}

func TestHelloFrom(t *testing.T) {
	d := New(Options{Hostname: "relay.test", SourceNames: map[netip.Addr]string{
		netip.MustParseAddr("192.0.2.2"): "out2.test", netip.MustParseAddr("2001:db8::2"): "out6.test",
	}})
	for _, tc := range []struct {
		local net.Addr
		want  string
	}{
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 40000}, "out2.test"}, // in the 16-byte form
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 2).To4()}, "out2.test"},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8::2")}, "out6.test"},
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}, "relay.test"},
		{&net.UnixAddr{Name: "somewhere"}, "relay.test"},
		{nil, "relay.test"},
	} {
		if got := d.helloFrom(tc.local); got != tc.want {
			t.Errorf("%v says %s, want %s", tc.local, got, tc.want)
		}
	}
}

// What the remote sees: the address and the name that belongs to it, before TLS and in it.
func TestSourcesOnTheWire(t *testing.T) {
	m := (&mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13)}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, m.port())
	n.set(t, "own.test.", dnstest.Records{MX: []string{"10 mx1.dest.test."}})
	n.opts.MessagesPerConnection = 1
	n.opts.Source = addrsOf("127.0.0.2", "127.0.0.3")
	n.opts.SourceNames = map[netip.Addr]string{
		netip.MustParseAddr("127.0.0.3"): "out3.test", netip.MustParseAddr("127.0.0.5"): "out5.test",
	}
	n.opts.Domains = []Domain{{Name: "own.test", Source: addrsOf("127.0.0.4", "127.0.0.5")}}
	other, own := jobTo("a@dest.test"), jobTo("a@own.test")
	for _, r := range lineUp(t, n.opts, other, own, other, own, other) {
		want(t, r.Outcomes[0], "delivered")
	}
	var twice []string
	for _, c := range []string{
		"127.0.0.2 relay.test", "127.0.0.4 relay.test", "127.0.0.3 out3.test", "127.0.0.5 out5.test", "127.0.0.2 relay.test",
	} {
		twice = append(twice, c, c)
	}
	if got := m.callers(); !slices.Equal(got, twice) {
		t.Errorf("callers:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(twice, "\n"))
	}
}

// A kept connection keeps its address; several at the same time have different ones.
func TestSourcesOfConnections(t *testing.T) {
	m := (&mx{}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, m.port()).opportunistic()
	n.opts.Source = addrsOf("127.0.0.2", "127.0.0.3", "127.0.0.4")
	d := New(n.opts)
	for range 3 {
		l := d.Open()
		defer l.Close()
		for range 2 {
			want(t, l.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0], "delivered")
		}
	}
	if got := fmt.Sprint(m.callers()); got != "[127.0.0.2 relay.test 127.0.0.3 relay.test 127.0.0.4 relay.test]" {
		t.Errorf("callers: %s", got)
	}
}

// Where the system chooses, it may choose an address that has a name: that is the name it must have.
func TestNameOfTheSystemsChoice(t *testing.T) {
	m := (&mx{}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, m.port()).opportunistic()
	n.opts.SourceNames = map[netip.Addr]string{netip.MustParseAddr("127.0.0.1"): "out1.test"}
	want(t, deliver(t, n.opts, jobTo("a@dest.test"))[0], "delivered")
	if got := fmt.Sprint(m.callers()); got != "[127.0.0.1 out1.test]" {
		t.Errorf("callers: %s", got)
	}
}

// An address that this machine has lost is its own trouble, says nothing of the site, and is named.
func TestSourceThatIsGone(t *testing.T) {
	m := (&mx{}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, m.port()).opportunistic()
	n.opts.Source = addrsOf("192.0.2.9", "127.0.0.2")
	r := lineUp(t, n.opts, jobTo("a@dest.test"), jobTo("a@dest.test"))
	want(t, r[0].Outcomes[0], "deferred local-trouble 4.3.0")
	if detail := r[0].Outcomes[0].Detail; r[0].Site != queue.HealthUnknown || !strings.Contains(detail, "source address 192.0.2.9: ") {
		t.Errorf("health %v, %q", r[0].Site, detail)
	}
	want(t, r[1].Outcomes[0], "delivered")
}
