//go:build linux

package system

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestDeliveryInBothLanguages: what a delivery says comes to stand in both configurations.
func TestDeliveryInBothLanguages(t *testing.T) {
	host := netip.MustParseAddrPort("127.0.0.1:2600")
	domains := []Domain{{"a.test", netip.MustParseAddr("127.1.0.1")}, {"b.test", netip.MustParseAddr("127.1.0.2")}}
	for _, c := range []struct {
		d              Delivery
		relay, postfix []string // each with "!" in front: must not be there
	}{
		{Delivery{Host: host, TLS: true, Retry: time.Second},
			[]string{`hosts = ["127.0.0.1:2600"]`, `retry = ["1s"]`, "!level =", "!port =", "!connections_per_destination"},
			[]string{"relayhost = [127.0.0.1]:2600", "level = encrypt", "minimal_backoff_time = 1s", "concurrency_limit = 60"}},
		{Delivery{Domains: domains, Port: 25, DNS: "127.0.0.1:53", PerHost: 1, Retry: time.Minute},
			[]string{`servers = ["127.0.0.1:53"]`, "port = 25", `level = "opportunistic"`, "connections_per_destination = 1", "![[route]]", `retry = ["60s"]`},
			[]string{"a.test smtp:[127.1.0.1]:25\nb.test smtp:[127.1.0.2]:25\n", "level = none", "concurrency_limit = 1\n", "!relayhost", "!connection_reuse ="}},
	} {
		var relay strings.Builder
		c.d.relay(&relay)
		for text, wants := range map[string][]string{relay.String(): c.relay, c.d.postfix("/transport") + c.d.transport(): c.postfix} {
			for _, want := range wants {
				want, not := strings.CutPrefix(want, "!")
				if strings.Contains(text, want) == not {
					t.Errorf("%+v: %q in the text is %v:\n%s", c.d, want, not, text)
				}
			}
		}
	}
}
