package dns

import (
	"net/netip"
	"testing"
	"time"
)

// TestHostsShareTheLoad: each of three equal hosts comes first about as often as another, from one entry.
func TestHostsShareTheLoad(t *testing.T) {
	r := &script{mx: func(string) (MXAnswer, error) {
		return MXAnswer{Hosts: []MX{{"best", 5}, {"a", 10}, {"b", 10}, {"c", 10}, {"last", 20}}, TTL: time.Hour}, nil
	}}
	c := cache(t, r, CacheOptions{})
	second := make(map[string]int)
	for range 3000 {
		a, err := c.LookupMX(t.Context(), "example.org")
		if err != nil || len(a.Hosts) != 5 || a.Hosts[0].Host != "best" || a.Hosts[4].Host != "last" {
			t.Fatalf("%v, %v", a, err)
		}
		second[a.Hosts[1].Host]++
	}
	for _, host := range []string{"a", "b", "c"} {
		if n := second[host]; n < 800 || n > 1200 { // 7 standard deviations
			t.Errorf("%s was %d times the first of its preference in 3000", host, n)
		}
	}
	if r.questions() != 1 {
		t.Errorf("asked %d times", r.questions())
	}
}

func TestAddressesShareTheLoad(t *testing.T) {
	var addrs []netip.Addr
	for _, s := range []string{"192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "192.0.2.3", "192.0.2.4"} {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	c := cache(t, &script{addrs: addrs}, CacheOptions{})
	at := make([]map[netip.Addr]int, len(addrs))
	for range 2000 {
		a, err := c.LookupAddrs(t.Context(), "mx.example")
		if err != nil || len(a.Addrs) != len(addrs) {
			t.Fatalf("%v, %v", a, err)
		}
		for i, addr := range a.Addrs {
			if addr.Is4() != addrs[i].Is4() {
				t.Fatalf("the families are not in turn: %v", a.Addrs)
			}
			if at[i] == nil {
				at[i] = make(map[netip.Addr]int)
			}
			at[i][addr]++
		}
	}
	for i, seen := range at {
		want := 4
		if addrs[i].Is6() {
			want = 2
		}
		if len(seen) != want {
			t.Errorf("place %d was taken by %d addresses, want %d", i, len(seen), want)
		}
		for addr, n := range seen {
			if n < 2000/want*2/3 {
				t.Errorf("place %d was taken by %v only %d times in 2000", i, addr, n)
			}
		}
	}
}

// TestAnswersAreTheCallersOwn: neither what a caller does to an answer nor what the resolver does to its own gets into
// memory.
func TestAnswersAreTheCallersOwn(t *testing.T) {
	hosts := []MX{{"mx.example", 10}}
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	r := &script{addrs: addrs, mx: func(string) (MXAnswer, error) { return MXAnswer{Hosts: hosts, TTL: time.Hour}, nil }}
	c := cache(t, r, CacheOptions{})
	for range 3 {
		mx, err1 := c.LookupMX(t.Context(), "example.org")
		known, err2, ok := c.KnownMX("example.org")
		a, err3 := c.LookupAddrs(t.Context(), "mx.example")
		if err1 != nil || err2 != nil || err3 != nil || !ok {
			t.Fatal(err1, err2, err3, ok)
		}
		if mx.Hosts[0].Host != "mx.example" || known.Hosts[0].Host != "mx.example" || a.Addrs[0].String() != "192.0.2.1" {
			t.Fatalf("%v, %v, %v", mx, known, a)
		}
		mx.Hosts[0].Host, known.Hosts[0].Host, a.Addrs[0] = "changed", "changed", netip.Addr{}
		hosts[0].Host, addrs[0] = "changed", netip.Addr{}
	}
}
