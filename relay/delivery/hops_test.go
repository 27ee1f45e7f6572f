package delivery

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/dns/dnstest"
	"tlsrelay/relay/smtpclient"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// Hops are those that a mail would be tried at: the route before the MX hosts, and nothing at or behind this relay.
func TestHops(t *testing.T) {
	net := newNetwork(t, 0, "2500")
	net.set(t, "two.test", dnstest.Records{MX: []string{"20 mx2.test.", "10 mx1.test."}})
	net.set(t, "bare.test", dnstest.Records{A: []string{"127.0.0.2"}})
	net.set(t, "empty.test", dnstest.Records{})
	net.set(t, "null.test", dnstest.Records{MX: []string{"0 ."}})
	net.set(t, "behind.test", dnstest.Records{MX: []string{"10 mx1.test.", "20 me.test.", "30 mx2.test."}})
	net.set(t, "mine.test", dnstest.Records{MX: []string{"10 me.test."}})
	net.set(t, "ours.test", dnstest.Records{MX: []string{"10 mx1.test.", "20 mx3.test."}})
	net.set(t, "mx3.test", dnstest.Records{A: []string{"127.0.0.9"}})
	net.set(t, "circle.test", dnstest.Records{MX: []string{"10 mx3.test."}})
	o := net.opts
	o.Hostname = "me.test"
	o.Listeners = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.9:2500")}
	o.Routes = []Route{{Domain: "routed.test", Hosts: []string{"smart.test:465", "b.test:587"}, Username: "u"}}
	d := New(o)
	for domain, want := range map[string]string{
		"two.test":    "10 mx1.test:2500, 20 mx2.test:2500, ",
		"bare.test":   "0 bare.test:2500, ",
		"empty.test":  "0 empty.test:2500, ",
		"null.test":   "null-mx",
		"gone.test":   "no-such-domain",
		"behind.test": "10 mx1.test:2500, ",
		"mine.test":   "loop",
		"ours.test":   "10 mx1.test:2500, ",
		"circle.test": "loop",
		"routed.test": "0 smart.test:465 TLS login, 0 b.test:587 login, ",
	} {
		hops, none := d.Hops(t.Context(), domain)
		got := none.Cause
		for _, h := range hops {
			got += fmt.Sprintf("%d %s:%d", h.Preference, h.Name, h.Port)
			if h.ImplicitTLS {
				got += " TLS"
			}
			if h.Login {
				got += " login"
			}
			got += ", "
			if level := d.Decide(domain, h).Level; (level == tlspolicy.Verified) != h.Login {
				t.Errorf("%s: level %v for %+v", domain, level, h)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", domain, got, want)
		}
	}
	hops, _ := d.Hops(t.Context(), "bare.test")
	if addrs, none := d.Addresses(t.Context(), hops[0]); len(addrs) != 1 || none.Cause != "" {
		t.Errorf("addresses %v, %v", addrs, none)
	}
	hops, _ = d.Hops(t.Context(), "empty.test")
	if addrs, none := d.Addresses(t.Context(), hops[0]); len(addrs) != 0 || none.Cause != queue.NoMailHost.Key {
		t.Errorf("addresses %v, %v", addrs, none)
	}
}

// TestReach: what keeps a probe from asking is named as for a mail, and the remote's words are harmless.
func TestReach(t *testing.T) {
	silent := (&mx{greet: "220-nothing more"}).start(t, "127.0.0.1", "0")
	for name, tt := range map[string]struct {
		at       string
		anywhere bool
		cause    string
		words    string
		is       error
	}{
		"refused":     {closedPort(t), true, "connection-refused", "connecting failed: connection refused", syscall.ECONNREFUSED},
		"private":     {closedPort(t), false, "address-refused", "the address is not on the public Internet", errNotPublic},
		"no STARTTLS": {(&mx{}).start(t, "127.0.0.1", "0").addr, true, "", "", probe.ErrNotOffered},
		"unwilling": {(&mx{greet: "554 5.7.1 go\x1b[31m away"}).start(t, "127.0.0.1", "0").addr, true,
			"remote-temporary", "the server answers 554 5.7.1 go?[31m away", nil},
		"STARTTLS refused": {refusing("502 5.5.1 not implemented").start(t, "127.0.0.1", "0").addr, true,
			"starttls-refused", "the server answers 502 5.5.1 not implemented", probe.ErrRefused},
		"STARTTLS refused for now": {refusing("454 4.7.0 later").start(t, "127.0.0.1", "0").addr, true,
			"starttls-refused", "the server answers 454 4.7.0 later", nil},
		"silent": {silent.addr, true, "connection-lost", "the server did not answer in time before its greeting", os.ErrDeadlineExceeded},
	} {
		o := Options{Hostname: "relay.test", Policy: &tlspolicy.Policy{}, Now: time.Now, Timeouts: smtpclient.Timeouts{Greeting: 300 * time.Millisecond}}
		c, err := New(o).Reach(t.Context(), probe.Target{Addr: netip.MustParseAddrPort(tt.at), Anywhere: tt.anywhere})
		if c != nil {
			c.Close()
		}
		var reach *ReachError
		switch {
		case tt.is != nil && !errors.Is(err, tt.is):
			t.Errorf("%s: %v is not %v", name, err, tt.is)
		case tt.is != probe.ErrRefused && errors.Is(err, probe.ErrRefused):
			t.Errorf("%s: %v is for good", name, err)
		case tt.cause == "":
		case !errors.As(err, &reach), reach.Outcome.Cause != tt.cause, reach.Error() != tt.words:
			t.Errorf("%s: %q %+v", name, err, reach)
		}
	}
}

// closedPort is an address at which nothing listens.
func closedPort(t *testing.T) string {
	return "127.0.0.77:" + (&mx{}).start(t, "127.0.0.1", "0").port()
}
