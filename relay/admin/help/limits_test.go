package help

import (
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/relay/party"
)

func TestRateOfOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testPages(testSettings())
		p.now = time.Now
		ask := func(address string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("GET", "/help/", nil)
			r.RemoteAddr = address
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			return w
		}
		for i := range clientBurst {
			if w := ask("[2001:db8::" + strconv.Itoa(i) + "]:1000"); w.Code != 200 {
				t.Fatalf("page %d: %d", i, w.Code)
			}
		}
		w := ask("[2001:db8::ffff]:1000") // the same /64
		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if w.Code != 429 || err != nil || wait < 1 || w.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("got %d %v", w.Code, w.Header())
		}
		for _, other := range []string{"[2001:db8:0:1::1]:1000", "192.0.2.1:1000"} {
			if w := ask(other); w.Code != 200 {
				t.Errorf("%s: %d", other, w.Code)
			}
		}
		time.Sleep(time.Duration(wait) * time.Second)
		if w := ask("[2001:db8::1]:1000"); w.Code != 200 {
			t.Errorf("after Retry-After: %d", w.Code)
		}
	})
}

func TestRateOfAll(t *testing.T) {
	l, now := newLimits(), today
	refused := 0
	for i := range 2 * totalBurst {
		if l.wait(party.Of(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})), now) > 0 {
			refused++
		}
	}
	if refused != totalBurst {
		t.Errorf("%d refused", refused)
	}
	if wait := l.wait(party.Of(netip.MustParseAddr("192.0.2.1")), now.Add(totalEvery)); wait != 0 {
		t.Errorf("later: %v", wait)
	}
}

func TestClientsAreBounded(t *testing.T) {
	l, now := newLimits(), today
	l.most = 10
	for i := range 1000 {
		now = now.Add(time.Second)
		l.wait(party.Of(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})), now)
	}
	if len(l.clients) != 10 {
		t.Errorf("%d clients", len(l.clients))
	}
}

func TestClockSetBack(t *testing.T) {
	l, client := newLimits(), party.Of(netip.MustParseAddr("192.0.2.1"))
	l.wait(client, today.AddDate(1, 0, 0))
	if wait := l.wait(client, today); wait != 0 {
		t.Errorf("has to wait %v", wait)
	}
}

func TestClientOf(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("2001:db8::/32")}
	for _, test := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:7", nil, "192.0.2.1/32"},
		{"[::ffff:192.0.2.1]:7", nil, "192.0.2.1/32"},
		{"[fe80::1%eth0]:7", nil, "fe80::/64"},
		{"192.0.2.1:7", []string{"198.51.100.1"}, "192.0.2.1/32"}, // no proxy
		{"127.0.0.1:7", nil, "127.0.0.1/32"},
		{"127.0.0.1:7", []string{"198.51.100.1"}, "198.51.100.1/32"},
		{"127.0.0.1:7", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1/32"}, // the first is the client's own claim
		{"127.0.0.1:7", []string{"203.0.113.9", "198.51.100.1, 2001:db8::7"}, "198.51.100.1/32"},
		{"127.0.0.1:7", []string{"198.51.100.1, garbage, 2001:db8::7"}, "2001:db8::/64"},
		{"127.0.0.1:7", []string{" 2001:db9:0:1::1 "}, "2001:db9:0:1::/64"},
		{"garbage", []string{"198.51.100.1"}, "invalid Prefix"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.peer
		for _, f := range test.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := clientOf(r, proxies).String(); got != test.want {
			t.Errorf("%s %q: %s, want %s", test.peer, test.forwarded, got, test.want)
		}
	}
}
