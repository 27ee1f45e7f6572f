package delivery

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/relay/dns/dnstest"
)

func interfacesOf(prefixes ...string) []net.Addr {
	var list []net.Addr
	for _, s := range prefixes {
		ip, n, err := net.ParseCIDR(s)
		if err != nil {
			panic(err)
		}
		list = append(list, &net.IPNet{IP: ip, Mask: n.Mask})
	}
	return list
}

func TestTakesMail(t *testing.T) {
	mine := interfacesOf("127.0.0.1/8", "::1/128", "192.0.2.5/24", "2001:db8::5/64", "fe80::5/64")
	for _, tc := range []struct{ listeners, yes, no string }{
		{"192.0.2.5:25", "192.0.2.5:25 [::ffff:192.0.2.5]:25", "192.0.2.5:2525 192.0.2.6:25 [2001:db8::5]:25 127.0.0.1:25"},
		{"[2001:db8::5]:25", "[2001:db8::5]:25", "192.0.2.5:25"},
		{"127.0.0.1:2525", "127.0.0.1:2525", "127.0.0.1:25 127.0.0.2:2525 192.0.2.5:2525"},
		{"[::]:25", "192.0.2.5:25 [2001:db8::5]:25 [::ffff:192.0.2.5]:25 [fe80::5%eth0]:25", "192.0.2.6:25 127.0.0.1:25 127.0.0.11:25 [::1]:25 192.0.2.5:587"},
		{"0.0.0.0:25", "192.0.2.5:25", "[2001:db8::5]:25 127.0.0.1:25"},
		{"0.0.0.0:587 192.0.2.5:2525", "192.0.2.5:587 192.0.2.5:2525", "192.0.2.5:25"},
		{"", "", "192.0.2.5:25 127.0.0.1:25 [::1]:25"},
	} {
		o := own{interfaces: func() ([]net.Addr, error) { return mine, nil }, now: time.Now}
		for s := range strings.FieldsSeq(tc.listeners) {
			o.listeners = append(o.listeners, netip.MustParseAddrPort(s))
		}
		for _, text := range []string{tc.yes, tc.no} {
			for s := range strings.FieldsSeq(text) {
				at := netip.MustParseAddrPort(s)
				if got, want := o.takesMail(at.Addr(), at.Port()), text == tc.yes; got != want {
					t.Errorf("listeners %q, %s: %v, want %v", tc.listeners, s, got, want)
				}
			}
		}
	}
}

// The interfaces are looked at once a minute at most, and what was so before counts if that fails.
func TestInterfacesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var mine []net.Addr
		var trouble error
		o := own{
			listeners: []netip.AddrPort{netip.MustParseAddrPort("[::]:25")}, now: time.Now,
			interfaces: func() ([]net.Addr, error) { asked++; return mine, trouble },
		}
		five := netip.MustParseAddr("192.0.2.5")
		for i, step := range []struct {
			mine  []net.Addr
			err   error
			pause time.Duration
			want  bool
			asked int
		}{
			{nil, nil, 0, false, 1},
			{interfacesOf("192.0.2.5/24"), nil, 30 * time.Second, false, 1},
			{interfacesOf("192.0.2.5/24"), nil, 30 * time.Second, true, 2},
			{nil, errors.New("too many open files"), time.Hour, true, 3},
			{nil, nil, time.Second, true, 3},
			{nil, nil, time.Minute, false, 4},
		} {
			mine, trouble = step.mine, step.err
			time.Sleep(step.pause)
			if got := o.takesMail(five, 25); got != step.want || asked != step.asked {
				t.Errorf("step %d: %v after %d looks, want %v after %d", i, got, asked, step.want, step.asked)
			}
		}
	})
}

func TestOwnAddressAmongMXHosts(t *testing.T) {
	good := (&mx{}).start(t, "127.0.0.11", "0")
	self := (&mx{}).start(t, "127.0.0.12", good.port())
	n := newNetwork(t, 2, good.port()).opportunistic() // mx2.dest.test is the relay, under a name that it does not know
	n.opts.Listeners = []netip.AddrPort{netip.MustParseAddrPort(self.addr)}
	n.set(t, "best.test.", dnstest.Records{MX: []string{"10 mx2.dest.test.", "20 mx1.dest.test."}})
	n.set(t, "equal.test.", dnstest.Records{MX: []string{"10 mx1.dest.test.", "10 mx2.dest.test."}})
	n.set(t, "implicit.test.", dnstest.Records{A: []string{"127.0.0.12"}})
	n.set(t, "oneofmany.test.", dnstest.Records{A: []string{"127.0.0.11", "127.0.0.12"}})
	n.set(t, "dead.test.", dnstest.Records{A: []string{"127.0.0.13"}})
	n.set(t, "behind.test.", dnstest.Records{MX: []string{"10 dead.test.", "20 mx2.dest.test.", "30 mx1.dest.test."}})
	for range 4 { // hosts of equal preference come in any order
		for address, text := range map[string]string{
			"a@dest.test":      "delivered", // by the better host
			"a@best.test":      "failed loop 5.4.6",
			"a@equal.test":     "failed loop 5.4.6",
			"a@implicit.test":  "failed loop 5.4.6",
			"a@oneofmany.test": "failed loop 5.4.6",
			"a@[127.0.0.12]":   "failed loop 5.4.6",
			"a@[127.0.0.11]":   "delivered",
			"a@behind.test":    "deferred connection-refused 4.4.1",
		} {
			o := deliver(t, n.opts, jobTo(address))[0]
			if want(t, o, text); t.Failed() {
				t.Fatalf("%s: %+v", address, o)
			}
		}
	}
	if self.dialogue() != "" {
		t.Error("the relay sent mail to itself")
	}
	n.opts.Routes = []Route{{Domain: "*", Hosts: []string{self.addr}}}
	want(t, deliver(t, n.opts, jobTo("a@best.test"))[0], "delivered") // the operator's own word
}

// A listener on all addresses does not make this relay of everything on loopback: labs and tests are there.
func TestOwnAddressIsNotAllOfLoopback(t *testing.T) {
	good := (&mx{}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, good.port()).opportunistic()
	n.opts.Listeners = []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), n.opts.Port)}
	n.opts.Interfaces = func() ([]net.Addr, error) { return interfacesOf("127.0.0.11/8", "192.0.2.5/24"), nil }
	want(t, deliver(t, n.opts, jobTo("a@dest.test"))[0], "delivered")
	n.set(t, "self.test.", dnstest.Records{A: []string{"192.0.2.5"}})
	want(t, deliver(t, n.opts, jobTo("a@self.test"))[0], "failed loop 5.4.6")
}

// The relay's own private address in a stranger's MX record is refused as any other: that may be mended, and is no loop.
func TestOwnPrivateAddressIsNoLoop(t *testing.T) {
	n := newNetwork(t, 0, "25").opportunistic()
	n.opts.Listeners = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:25")}
	n.opts.Interfaces = func() ([]net.Addr, error) { return interfacesOf("10.0.0.5/24", "198.41.0.4/32"), nil }
	n.set(t, "private.test.", dnstest.Records{A: []string{"10.0.0.5"}})
	n.set(t, "public.test.", dnstest.Records{A: []string{"198.41.0.4"}})
	for _, tc := range []struct {
		name           string
		privateAllowed bool
		own            bool
	}{{"private.test", false, false}, {"private.test", true, true}, {"public.test", false, true}} {
		n.opts.PrivateAddresses = tc.privateAllowed
		// Asked, and not sent mail: nothing may leave the machine, whatever is wrong.
		if own := New(n.opts).isOwn(t.Context(), host{name: tc.name, port: 25}); own != tc.own {
			t.Errorf("%s, private addresses allowed %v: own %v", tc.name, tc.privateAllowed, own)
		}
	}
	n.opts.PrivateAddresses = false
	want(t, deliver(t, n.opts, jobTo("a@private.test"))[0], "deferred address-refused 4.4.4")
}

// Name servers that do not answer for some of the equal hosts cost the time of one of them, not of all.
func TestEqualHostsAreLookedUpTogether(t *testing.T) {
	host := (&mx{}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, host.port()).opportunistic()
	n.opts.Listeners = []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.12"), n.opts.Port)}
	records := dnstest.Records{MX: []string{"1 mx1.dest.test."}}
	for _, name := range []string{"s1.test.", "s2.test.", "s3.test.", "s4.test."} {
		n.set(t, name, dnstest.Records{A: []string{"127.0.0.19"}, Fault: dnstest.Drop})
		records.MX = append(records.MX, "1 "+name)
	}
	n.set(t, "many.test.", records)
	d := New(n.opts)
	hosts, _ := d.nextHops(t.Context(), "many.test")
	lookUp := func() time.Duration {
		began := time.Now()
		if _, found := d.ownHost(t.Context(), hosts); found {
			t.Error("the relay is among them")
		}
		return time.Since(began)
	}
	if took := lookUp(); len(hosts) != 5 || took > 5*time.Second { // two tries of a second each; one after the other 8 s
		t.Errorf("%d hosts, looked up after %v", len(hosts), took)
	}
}
