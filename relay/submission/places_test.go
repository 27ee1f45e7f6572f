package submission

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"tlsrelay/relay/party"
)

func TestPlaces(t *testing.T) {
	a := newPlaces()
	addr := netip.MustParseAddr
	enter := func(client string, wantOK, wantFirst bool) {
		t.Helper()
		if ok, first := a.enter(place(addr(client)), 4); ok != wantOK || first != wantFirst {
			t.Errorf("%s: %v, first %v; want %v, %v", client, ok, first, wantOK, wantFirst)
		}
	}
	for _, host := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:1", "2001:db8::1"} {
		enter(host, true, false)
	}
	enter("2001:db8::3", false, true)
	enter("2001:db8::3", false, false)
	enter("2001:db8:0:1::1", true, false) // another /64
	for range 4 {
		enter("192.0.2.1", true, false)
	}
	enter("192.0.2.1", false, true)
	enter("192.0.2.2", true, false)

	// A place that comes and goes is no new phase of refusals; with half of them free, it is.
	a.leave(place(addr("192.0.2.1")), 4)
	enter("192.0.2.1", true, false)
	enter("192.0.2.1", false, false)
	a.leave(place(addr("192.0.2.1")), 4)
	a.leave(place(addr("192.0.2.1")), 4)
	enter("192.0.2.1", true, false)
	enter("192.0.2.1", true, false)
	enter("192.0.2.1", false, true)

	for client, n := range map[string]int{"192.0.2.1": 4, "192.0.2.2": 1, "2001:db8::": 4, "2001:db8:0:1::": 1} {
		for range n {
			a.leave(place(addr(client)), 4)
		}
	}
	if len(a.open) != 0 {
		t.Errorf("kept without a connection: %v", a.open)
	}
}

// stranger lets clients in that are in none of the networks.
var stranger = Listener{TLS: TLSStartTLS, Auth: AuthOptional}

func TestConnectionsPerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, stranger, func(o *Options) { o.ConnectionsPerAddress = 2 })
		first, second := r.dial(), r.dialTLS() // STARTTLS takes no second place
		for range 3 {
			c := r.connect()
			c.expect("421 4.7.0 " + hostname + " has too many connections from your address (at most 2), try again later\r\n")
			c.expectEnd()
		}
		if n := strings.Count(r.log.String(), "too many of one client"); n != 1 {
			t.Errorf("%d lines in the log, want one for the whole phase", n)
		}
		first.say("QUIT", "221")
		first.expectEnd()
		synctest.Wait()
		r.dial()
		second.conn.Close()
		synctest.Wait()
		r.dial().say("STARTTLS", "220") // and the handshake fails
		r.connect().expect("421 4.7.0")
		r.stop()
		if len(r.server.places.open) != 0 {
			t.Errorf("kept without a connection: %v", r.server.places.open)
		}
	})
}

// Clients of the listed networks, and those of TLS from the first byte, which could not read a reply.
func TestConnectionsPerAddressOfListeners(t *testing.T) {
	testCertificate()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, open, func(o *Options) { o.ConnectionsPerAddress = 1 })
		for range 5 {
			r.dial()
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Listener{TLS: TLSImplicit, Auth: AuthRequired}, func(o *Options) { o.ConnectionsPerAddress = 1 })
		first := r.connect()
		first.handshake()
		first.expect("220")
		r.connect().expectEnd()
		first.conn.Close()
		synctest.Wait()
		failed := r.connect() // gives its place back when the handshake fails
		failed.send("no TLS\r\n")
		failed.conn.Close()
		synctest.Wait()
		r.connect().handshake()
	})
}

func place(client netip.Addr) holder { return holder{network: party.Of(client)} }
