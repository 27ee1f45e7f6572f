package help

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tlsrelay/tlspolicy/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var today = time.Date(2026, 11, 5, 14, 30, 0, 0, time.UTC)

func testSettings() Settings {
	return Settings{
		Relay: "relay.example.net", Language: "en", Floor: "1.2",
		Lifetime: func(string) time.Duration { return 72 * time.Hour },
	}
}

// testLedger knows a domain for each kind of evidence.
func testLedger() *ledger.Ledger {
	l := ledger.New()
	began, latest := today.Add(-50*time.Hour), today.Add(-20*time.Minute)
	old := ledger.Seen{
		Host: "mx1.old.example", Cause: "tls-version", Answer: "alert 70 (protocol version not supported)", Needed: "1.2",
		Probed: latest.Add(-time.Hour), Offers: "TLS 1.0, TLS 1.1", KeyExchange: "DHE, RSA", Proven: true,
		Certificate: ledger.Certificate{
			Names: "mx1.old.example, mail.old.example", Issuer: "Example Trust Authority G2",
			NotBefore: today.AddDate(-2, 0, 0), NotAfter: today.AddDate(0, -1, 0),
		},
	}
	second := ledger.Seen{Host: "backup-mail-exchanger.region-two.old.example", Cause: "starttls-not-offered", Needed: "1.2", Probed: latest}
	for at := began; at.Before(latest); at = at.Add(7 * time.Hour) {
		l.Note("old.example", []ledger.Seen{old, second}, at)
	}
	l.Note("old.example", []ledger.Seen{old}, latest)
	l.Note("repaired.example", []ledger.Seen{old}, began)
	l.Delivered("repaired.example", "TLS 1.3", latest)
	bad := old
	bad.Cause, bad.Offers, bad.Answer, bad.Proven = "certificate-expired", "TLS 1.1, TLS 1.2, TLS 1.3", "", false
	l.Note("expired.example", []ledger.Seen{bad}, latest)
	return l
}

func testPages(s Settings) *Pages {
	p := New(s, testLedger().Domain, slog.New(slog.DiscardHandler))
	p.now = func() time.Time { return today }
	return p
}

// get asks the pages for a path, as a new client, with fields of the header as pairs.
func get(t *testing.T, p *Pages, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	p.limits = newLimits()
	return request(p, http.MethodGet, path, header...)
}

func request(p *Pages, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

// forgetAll makes every client a new one.
func (l *limits) forgetAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.clients)
}
