package help

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"tlsrelay/relay/admin/door"
)

func TestServe(t *testing.T) {
	base := serve(t, testPages(testSettings()))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(base + "/") // over the redirect
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || res.Request.URL.Path != "/help/" || !strings.Contains(string(text), "relay.example.net") {
		t.Errorf("got %s %s, %v", res.Status, res.Request.URL, err)
	}
	r, _ := http.NewRequest("GET", base+"/help/", nil)
	r.Header.Set("Cookie", strings.Repeat("a", 3*door.MaxHeader))
	if res, err := client.Do(r); err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long header: %v, %v", res, err)
	} else {
		res.Body.Close()
	}
}

// One client has a few connections; a proxy, which has many clients, as many as there are.
func TestConnectionsOfOneClient(t *testing.T) {
	for _, proxies := range [][]netip.Prefix{nil, {netip.MustParsePrefix("127.0.0.0/8")}} {
		settings := testSettings()
		settings.Proxies = proxies
		base := serve(t, testPages(settings))
		for range maxClientConnections {
			c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Get(base + "/help/")
		if err == nil {
			res.Body.Close()
		}
		if served := err == nil; served != (proxies != nil) {
			t.Errorf("proxies %v: one more connection is served: %v", proxies, served)
		}
	}
}
