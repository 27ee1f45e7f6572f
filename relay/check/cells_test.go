package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

func TestVersionsCell(t *testing.T) {
	const ssl, t10, t11, t12, t13 = tlspolicy.SSL30, tlspolicy.TLS10, tlspolicy.TLS11, tlspolicy.TLS12, tlspolicy.TLS13
	for want, versions := range map[string][]tlspolicy.Version{
		"none": nil, "1.3": {t13}, "1.2 1.3": {t12, t13}, "1.1 to 1.3": {t11, t12, t13}, "SSL 3.0 to 1.3": {ssl, t10, t11, t12, t13},
		"only 1.0": {t10}, "only 1.0 1.1": {t10, t11}, "only SSL 3.0 to 1.1": {ssl, t10, t11}, "1.0 1.2 1.3": {t10, t12, t13}, "1.0 1.3": {t10, t13},
	} {
		if got := versionsCell(offersOf(versions, nil)); got != want {
			t.Errorf("%v: %q, want %q", versions, got, want)
		}
	}
	for want, versions := range map[string]struct{ offered, unknown []tlspolicy.Version }{
		"?": {nil, []tlspolicy.Version{ssl, t10, t11, t12, t13}}, "1.2? 1.3?": {nil, []tlspolicy.Version{t12, t13}},
		"1.0 1.2? 1.3?": {[]tlspolicy.Version{t10}, []tlspolicy.Version{t12, t13}}, "1.2 1.3?": {[]tlspolicy.Version{t12}, []tlspolicy.Version{t13}},
		"1.0? 1.1 to 1.3": {[]tlspolicy.Version{t11, t12, t13}, []tlspolicy.Version{t10}}, "only 1.0 1.1?": {[]tlspolicy.Version{t10}, []tlspolicy.Version{t11}},
		"SSL 3.0 1.0? 1.1 1.2": {[]tlspolicy.Version{ssl, t11, t12}, []tlspolicy.Version{t10}},
	} {
		if got := versionsCell(offersOf(versions.offered, versions.unknown)); got != want {
			t.Errorf("%v, and perhaps %v: %q, want %q", versions.offered, versions.unknown, got, want)
		}
	}
	if got := versionsCell(&probe.Result{}); got != "?" {
		t.Errorf("nothing was asked: %q", got)
	}
}

// offersOf is the result of a host that offers some versions, and perhaps some others.
func offersOf(offered, unknown []tlspolicy.Version) *probe.Result {
	r := unclear(offers(1, 0), unknown...)
	for i := range r.Versions {
		if slices.Contains(offered, r.Versions[i].Version) {
			r.Versions[i].Offered = probe.Yes
		}
	}
	return r
}

// What a sentence says of TLS 1.3 is certain.
func TestDelivered(t *testing.T) {
	const t12, t13 = tlspolicy.TLS12, tlspolicy.TLS13
	only, both, perhaps := offers(t12, t12), offers(t12, t13), unclear(offers(t12, t12), t13)
	for want, results := range map[string][]*probe.Result{
		" would be delivered over TLS 1.3.":                            {both, both},
		" would be delivered, though not everywhere over TLS 1.3.":     {both, only},
		" would be delivered, over TLS 1.2 at best.":                   {only, only},
		" would be delivered, over TLS 1.2 at least.":                  {only, perhaps},
		" would be delivered, over TLS 1.3 as far as that is certain.": {both, perhaps},
		" would be delivered, over TLS 1.2 at least. ":                 {unclear(offers(1, 0), t12, t13)},
		" would be delivered, though not everywhere over TLS 1.3. ":    {perhaps, both, only},
		" would be delivered, over TLS 1.2 at best. ":                  {unclear(offers(tlspolicy.TLS10, tlspolicy.TLS10), t12)},
		" would be delivered, over TLS 1.2 at best.  ":                 {unclear(offers(1, 0), t12)},
	} {
		r := &Report{Floor: t12, Hosts: []Host{{}}}
		for _, result := range results {
			r.Hosts[0].Addresses = append(r.Hosts[0].Addresses, Address{Result: result, Verdict: Verdict{Passes: true}})
		}
		if got := delivered(tally(r.Hosts), r); got != strings.TrimRight(want, " ") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAttribute(t *testing.T) {
	for dn, want := range map[string]string{
		"CN=R11,O=Let's Encrypt,C=US": "Let's Encrypt", `O=Comma\, Inc.,C=DE`: "Comma, Inc.", `CN=a+O=b\+c`: "b+c", "CN=O=x": "", "": "", `O=\`: `\`, "OU=y": "",
	} {
		if got := attribute(dn, "O"); got != want {
			t.Errorf("%s: %q, want %q", dn, got, want)
		}
	}
}

func TestCertificateCell(t *testing.T) {
	for want, change := range map[string]func(*probe.Certificate){
		"Let's Encrypt, 61 days":       func(*probe.Certificate) {},
		"Let's Encrypt, under a day":   func(c *probe.Certificate) { c.NotAfter = epoch.Add(time.Hour) },
		"Let's Encrypt, expired":       func(c *probe.Certificate) { c.NotAfter, c.Trusted = epoch.Add(-time.Hour), probe.No },
		"Let's Encrypt, not yet valid": func(c *probe.Certificate) { c.NotBefore, c.Trusted = epoch.Add(time.Hour), probe.No },
		"not trusted, 61 days":         func(c *probe.Certificate) { c.Trusted = probe.No },
		"self-signed, 61 days": func(c *probe.Certificate) {
			c.Trusted, c.Fits, c.Issuer, c.Names = probe.No, probe.No, "CN=mx.example.org", []string{"CN=mx.example.org"}
		},
		"unusable":   func(c *probe.Certificate) { c.Trusted, c.Fits, c.Problem = probe.Unknown, probe.Unknown, "RSA 512" },
		"unreadable": func(c *probe.Certificate) { *c = probe.Certificate{Problem: "negative serial number"} },
	} {
		r := offers(tlspolicy.TLS13, tlspolicy.TLS13)
		change(r.Certificate)
		if got := certificateCell(r, epoch); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := certificateCell(&probe.Result{}, epoch); got != "not seen" {
		t.Error(got)
	}
}
