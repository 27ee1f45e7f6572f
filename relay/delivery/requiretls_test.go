package delivery

import (
	"strings"
	"testing"
	"time"

	"tlsrelay/relay/dns"
	"tlsrelay/relay/dns/dnstest"
	"tlsrelay/tlspolicy"
)

// Mail with REQUIRETLS needs a signed MX, a valid certificate for it, and a host that offers REQUIRETLS, whatever level the
// policy has; a notice about such mail does not need the offer, nor DNSSEC.
func TestRequireTLS(t *testing.T) {
	ca := newAuthority(t)
	for _, tc := range []struct {
		name           string
		offers, signed bool
		certificate    string // "": no STARTTLS
		sender, want   string
	}{
		{"all there", true, true, "mx1.dest.test", "a@app.test", "delivered"},
		{"not offered", false, true, "mx1.dest.test", "a@app.test", "failed needs-requiretls 5.7.30"},
		{"not signed", true, false, "mx1.dest.test", "a@app.test", "failed needs-requiretls 5.7.30"},
		{"foreign certificate", true, true, "other.test", "a@app.test", "deferred certificate-name 4.7.5"},
		{"no TLS", true, true, "", "a@app.test", "deferred starttls-not-offered 4.7.4"},
		{"notice", false, false, "mx1.dest.test", "", "delivered"},
		{"notice, offered", true, false, "mx1.dest.test", "", "delivered"},
		{"notice, foreign certificate", false, true, "other.test", "", "deferred certificate-name 4.7.5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &mx{}
			if tc.certificate != "" {
				m.tls = ca.server(t, tc.certificate, 0, 0)
			}
			if tc.offers {
				m.ehlo = []string{"REQUIRETLS"}
			}
			m.start(t, "127.0.0.11", "0")
			n := newNetwork(t, 1, m.port())
			n.set(t, "dest.test", dnstest.Records{MX: []string{"10 mx1.dest.test."}, Authentic: tc.signed})
			resolver, err := dns.New(dns.Options{Servers: []string{n.dns.Addr()}, Timeout: time.Second, TrustAD: true})
			if err != nil {
				t.Fatal(err)
			}
			cache := dns.NewCache(resolver, dns.CacheOptions{})
			t.Cleanup(cache.Close)
			n.opts.Resolver = cache
			n.opts.Policy = &tlspolicy.Policy{Default: tlspolicy.Rule{Level: tlspolicy.Opportunistic}, Roots: ca.pool()}
			job := jobTo("b@dest.test")
			job.Item.RequireTLS, job.Item.Sender = true, tc.sender
			want(t, deliver(t, n.opts, job)[0], tc.want)
			if passed := strings.Contains(m.dialogue(), "> REQUIRETLS\n"); passed != (tc.offers && tc.want == "delivered") {
				t.Errorf("dialogue\n%s", m.dialogue())
			}
			if tc.want != "delivered" && strings.Contains(m.dialogue(), "MAIL FROM") {
				t.Errorf("dialogue\n%s", m.dialogue())
			}
		})
	}
}

// A host that the operator named needs no DNSSEC, and a later host that offers what is needed gets the mail.
func TestRequireTLSFindsAHost(t *testing.T) {
	ca := newAuthority(t)
	poor := (&mx{tls: ca.server(t, "mx1.dest.test", 0, 0)}).start(t, "127.0.0.11", "0")
	good := (&mx{tls: ca.server(t, "mx2.dest.test", 0, 0), ehlo: []string{"REQUIRETLS"}}).start(t, "127.0.0.12", poor.port())
	n := newNetwork(t, 2, poor.port())
	n.opts.Policy = &tlspolicy.Policy{Roots: ca.pool()}
	n.opts.Routes = []Route{{Domain: "dest.test", Hosts: []string{"mx1.dest.test:" + poor.port(), "mx2.dest.test:" + poor.port()}}}
	job := jobTo("b@dest.test")
	job.Item.RequireTLS = true
	want(t, deliver(t, n.opts, job)[0], "delivered")
	if len(poor.received()) != 0 || len(good.received()) != 1 {
		t.Errorf("mail went to the wrong host: %d, %d", len(poor.received()), len(good.received()))
	}
}
