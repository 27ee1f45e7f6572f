package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tlsrelay/queue"
)

// The evidence is shown without control characters, and only what there is of it.
func TestMessageShowsEvidence(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	item := queue.Item{Recipients: []queue.Recipient{{Evidence: []queue.Evidence{
		{Host: "mx.example\x1b[2J", Remote: "192.0.2.1:25", Cause: "tls-version", Seen: "alert 70", Needed: "1.2", Proven: true, Probed: at,
			Offers: "TLS 1.0", KeyExchange: "RSA", First: at, Last: at.Add(time.Hour), Attempts: 3,
			Certificate: queue.CertificateFacts{Names: "a\u202eb", Issuer: "CN=X", NotBefore: at, NotAfter: at.AddDate(1, 0, 0)}},
		{Host: "mx2.example", Remote: "192.0.2.2:25", Cause: "tls-handshake", First: at, Last: at, Attempts: 1},
	}}, {}}}
	text, err := json.Marshal(newMessage(&item))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"evidence":[{"host":"mx.example?[2J","address":"192.0.2.1:25","cause":"tls-version","seen":"alert 70","needed":"1.2","proven":true,"probed":"2026-03-01T12:00:00Z",` +
			`"offers":"TLS 1.0","key_exchange":"RSA","certificate":{"names":"a?b","issuer":"CN=X","not_before":"2026-03-01T12:00:00Z","not_after":"2027-03-01T12:00:00Z"},` +
			`"first":"2026-03-01T12:00:00Z","last":"2026-03-01T13:00:00Z","attempts":3}`,
		`{"host":"mx2.example","address":"192.0.2.2:25","cause":"tls-handshake","seen":"","needed":"","proven":false,"offers":"","key_exchange":"","first":`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s\nhas no\n%s", text, want)
		}
	}
	if n := strings.Count(string(text), `"evidence"`); n != 1 {
		t.Errorf("evidence of %d recipients", n)
	}
}

// A listing says when mail really ends.
func TestListingKnowsShorterLifetimes(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	item := queue.Item{Arrived: at, Expires: at.Add(72 * time.Hour), Recipients: []queue.Recipient{
		{Address: "b@c.test", Destination: "c.test", Last: queue.Outcome{Cause: "tls-version"}},
	}}
	d := &Direct{Schedule: func() queue.Schedule {
		return queue.Schedule{LifetimeByCause: map[string]time.Duration{"tls-version": time.Hour}}
	}}
	if m := d.message(&item); !m.Expires.Equal(at.Add(time.Hour)) {
		t.Errorf("expires %v", m.Expires)
	}
	if m := new(Direct).message(&item); !m.Expires.Equal(item.Expires) {
		t.Errorf("expires %v without a schedule", m.Expires)
	}
}
