package ledger

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

func oldTLS(host string) Seen {
	return Seen{Host: host, Cause: "tls-version", Answer: "alert 70 (protocol version not supported)", Needed: "1.2"}
}

func probed(s Seen, at time.Time) Seen {
	s.Probed, s.Offers, s.KeyExchange, s.Proven = at, "TLS 1.0, TLS 1.1", "RSA", true
	s.Certificate = Certificate{Names: "mx.example.org, *.example.org", Issuer: "Example CA", NotAfter: at.Add(time.Hour)}
	return s
}

func known(t *testing.T, l *Ledger, domain string) Entry {
	t.Helper()
	e, ok := l.Domain(domain)
	if !ok {
		t.Fatalf("nothing is known of %s", domain)
	}
	return e
}

func TestAttemptsAddUp(t *testing.T) {
	l := New()
	second, third := start.Add(5*time.Minute), start.Add(time.Hour)
	l.Note("example.org", []Seen{oldTLS("mx.example.org")}, start)
	l.Note("Example.ORG.", []Seen{probed(oldTLS("MX.example.org."), second)}, second)
	l.Note("example.org", []Seen{oldTLS("mx.example.org")}, third) // the probe is forgotten elsewhere, not here
	want := Entry{Domain: "example.org", Last: third, Hosts: []Host{
		{Seen: probed(oldTLS("mx.example.org"), second), First: start, Last: third, Attempts: 3},
	}}
	if diff := cmp.Diff(want, known(t, l, "example.org")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAnotherCauseIsNotProven(t *testing.T) {
	l := New()
	l.Note("example.org", []Seen{probed(oldTLS("mx.example.org"), start)}, start)
	l.Note("example.org", []Seen{{Host: "mx.example.org", Cause: "starttls-refused"}}, start.Add(time.Hour))
	if h := known(t, l, "example.org").Hosts[0]; h.Proven || h.Cause != "starttls-refused" || h.Offers != "TLS 1.0, TLS 1.1" {
		t.Errorf("got %+v", h)
	}
}

// A proof counts for a day, and for the versions that were needed then.
func TestProofAges(t *testing.T) {
	higher := oldTLS("mx.example.org")
	higher.Needed = "1.3"
	for _, tc := range []struct {
		later Seen
		after time.Duration
		want  bool
	}{{oldTLS("mx.example.org"), 23 * time.Hour, true}, {oldTLS("mx.example.org"), 25 * time.Hour, false}, {higher, time.Hour, false}} {
		l := New()
		l.Note("example.org", []Seen{probed(oldTLS("mx.example.org"), start)}, start)
		l.Note("example.org", []Seen{tc.later}, start.Add(tc.after))
		if h := known(t, l, "example.org").Hosts[0]; h.Proven != tc.want || h.Probed.IsZero() {
			t.Errorf("needs %s, %v later: %+v", tc.later.Needed, tc.after, h)
		}
	}
}

// The certificate that the latest attempt was shown counts, not one that a probe saw.
func TestLatestCertificate(t *testing.T) {
	l := New()
	l.Note("example.org", []Seen{probed(oldTLS("mx.example.org"), start)}, start)
	renewed := Seen{Host: "mx.example.org", Cause: "certificate-name", Certificate: Certificate{Names: "other.example.org", NotAfter: start}}
	l.Note("example.org", []Seen{renewed}, start.Add(time.Hour))
	if h := known(t, l, "example.org").Hosts[0]; h.Certificate.Names != "other.example.org" {
		t.Errorf("got %+v", h)
	}
}

func TestOneRowForTheAddressesOfAHost(t *testing.T) {
	l := New()
	l.Note("example.org", []Seen{oldTLS("mx"), probed(oldTLS("mx"), start), oldTLS("mx"), oldTLS("mx2"), oldTLS("mx2")}, start)
	e := known(t, l, "example.org")
	if len(e.Hosts) != 2 || !e.Hosts[0].Proven || e.Hosts[0].Attempts != 1 || e.Hosts[1].Attempts != 1 {
		t.Errorf("got %+v", e.Hosts)
	}
}

func TestDeliveredIsForKnownDomainsOnly(t *testing.T) {
	l := New()
	l.Delivered("example.org", "TLS 1.3", start)
	if _, ok := l.Domain("example.org"); ok {
		t.Error("a success alone makes an entry")
	}
	l.Note("example.org", []Seen{oldTLS("mx")}, start)
	l.Delivered("example.org", "TLS 1.3", start.Add(time.Minute))
	l.Note("example.org", []Seen{oldTLS("mx")}, start.Add(time.Hour))
	if e := known(t, l, "example.org"); !e.Delivered.Equal(start.Add(time.Minute)) || e.Version != "TLS 1.3" || e.Hosts[0].Attempts != 2 {
		t.Errorf("got %+v", e)
	}
}

// Neither the number of messages nor when they went out is in the ledger.
func TestNothingOfTheMail(t *testing.T) {
	l := New()
	for n := range 10_000 {
		l.Note("example.org", []Seen{oldTLS("mx")}, start.Add(time.Duration(n)*time.Second))
	}
	mended := start.Add(24 * time.Hour)
	for n := range 100 {
		l.Delivered("example.org", "TLS 1.3", mended.Add(time.Duration(n)*time.Minute))
	}
	if e := known(t, l, "example.org"); e.Hosts[0].Attempts != MaxAttempts || !e.Delivered.Equal(mended) {
		t.Errorf("got %+v", e)
	}
	again := mended.Add(48 * time.Hour)
	l.Note("example.org", []Seen{oldTLS("mx")}, again)
	l.Delivered("example.org", "TLS 1.2", again.Add(time.Hour))
	if e := known(t, l, "example.org"); !e.Delivered.Equal(again.Add(time.Hour)) || e.Version != "TLS 1.2" {
		t.Errorf("got %+v", e)
	}
}

func TestBounds(t *testing.T) {
	l := New()
	l.bounds = bounds{domains: 10, hosts: 30}
	for i := range 40 {
		l.Note(fmt.Sprintf("d%d.test", i), []Seen{oldTLS("mx")}, start.Add(time.Duration(i)*time.Second))
		l.Note("kept.test", []Seen{oldTLS("mx")}, start.Add(time.Duration(i)*time.Second))
	}
	known(t, l, "kept.test")
	known(t, l, "d39.test")
	if _, ok := l.Domain("d30.test"); ok || len(l.domains) != 10 || l.order.Len() != 10 || l.hosts != 10 {
		t.Errorf("d30: %v, domains: %d and %d, hosts: %d", ok, len(l.domains), l.order.Len(), l.hosts)
	}
	var many []Seen
	for i := range 50 {
		many = append(many, oldTLS(fmt.Sprintf("mx%d.test", i)))
	}
	l.Note("kept.test", many, start.Add(time.Hour))
	if e := known(t, l, "kept.test"); len(e.Hosts) != maxHosts {
		t.Errorf("%d hosts", len(e.Hosts))
	}
	for i := range 40 {
		l.Note(fmt.Sprintf("d%d.test", i), many, start.Add(2*time.Hour))
	}
	if l.hosts > 30 || len(l.domains) != 3 {
		t.Errorf("%d hosts of %d domains", l.hosts, len(l.domains))
	}
}

func TestForgetsAfterThirtyDays(t *testing.T) {
	l := New()
	l.Note("old.test", []Seen{oldTLS("mx")}, start)
	l.Note("new.test", []Seen{oldTLS("gone"), oldTLS("mx")}, start.Add(time.Hour))
	l.Note("new.test", []Seen{oldTLS("mx")}, start.Add(29*24*time.Hour))
	l.Forget(start.Add(30*24*time.Hour + time.Minute))
	if _, ok := l.Domain("old.test"); ok {
		t.Error("still known")
	}
	l.Note("new.test", []Seen{oldTLS("mx")}, start.Add(31*24*time.Hour))
	if e := known(t, l, "new.test"); len(e.Hosts) != 1 {
		t.Errorf("a host at which nothing fails any longer stays: %+v", e.Hosts)
	}
}

func TestOnlyFactsAboutTLS(t *testing.T) {
	l := New()
	for _, bad := range []string{"", "192.0.2.1", "2001:db8::1", "a b.test", "<b>.test", "-a.test", strings.Repeat("a", 64) + ".test"} {
		l.Note(bad, []Seen{oldTLS("mx")}, start)
	}
	if len(l.domains) != 0 {
		t.Errorf("taken as domains: %v", l.domains)
	}
	l.Note("example.org", []Seen{{
		Host: "192.0.2.25", Cause: "tls-\x1bversion", Answer: "bob@example.org at 192.0.2.1:25, [2001:db8::1] and (fe80::1): \u202e<b>\x00",
		Needed: "1.2", Probed: start, Offers: strings.Repeat("TLS 1.0, ", 1000), KeyExchange: "R\xffSA",
		Certificate: Certificate{Names: "mx.example.org, 192.0.2.1, bob@example.org, *.example.org, <script>, a..b, CN=<b>, CN=old.example", Issuer: "CA ca@example.org"},
	}}, start)
	h := known(t, l, "example.org").Hosts[0]
	if h.Host != "" || h.Cause != "tls-?version" || h.Answer != "... at ... ... and ... ?<b>?" || h.KeyExchange != "R?SA" ||
		len(h.Offers) > maxShort || h.Certificate.Names != "mx.example.org, *.example.org, CN=old.example" || h.Certificate.Issuer != "CA ..." {
		t.Errorf("got %+v", h)
	}
}

func TestTimesThatJSONDoesNotKnow(t *testing.T) {
	l := New()
	s := probed(oldTLS("mx"), start)
	s.Certificate.NotBefore = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)
	s.Certificate.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).In(time.FixedZone("", 3600)) // RFC 5280, 4.1.2.5
	l.Note("example.org", []Seen{s}, start)
	if err := l.Save(t.TempDir() + "/ledger"); err != nil {
		t.Error(err)
	}
	if c := known(t, l, "example.org").Hosts[0].Certificate; !c.NotBefore.IsZero() || c.NotAfter.Year() != 9999 {
		t.Errorf("got %+v", c)
	}
}

func TestLongListOfNames(t *testing.T) {
	list := strings.Repeat("a-rather-long-name.of-a-host.example.org, ", 1000)
	if got := certificateNames(list); len(got) > maxNames || !strings.HasSuffix(got, ".org, ...") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestConcurrentUse(t *testing.T) {
	l := New()
	l.bounds.domains = 20
	path := t.TempDir() + "/ledger"
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				d := fmt.Sprintf("d%d.test", (i*w)%40)
				l.Note(d, []Seen{oldTLS("mx"), oldTLS("mx2")}, start)
				l.Delivered(d, "TLS 1.2", start)
				l.Domain(d)
				if i%100 == 0 {
					l.Forget(start)
				}
			}
		})
	}
	wg.Wait()
	if err := l.Save(path); err != nil || len(l.domains) != 20 {
		t.Errorf("%d domains, %v", len(l.domains), err)
	}
}

func BenchmarkNote(b *testing.B) {
	l, seen := New(), []Seen{probed(oldTLS("mx.example.org"), start)}
	for b.Loop() {
		l.Note("example.org", seen, start)
	}
}

func BenchmarkDelivered(b *testing.B) {
	l := New()
	for b.Loop() {
		l.Delivered("example.org", "TLS 1.3", start)
	}
}
