package relay

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
	"tlsrelay/tlspolicy/ledger"
)

func TestLedgerHasWhatAttemptsSaw(t *testing.T) {
	l := &live{deliverer: delivery.New(delivery.Options{Routes: []delivery.Route{{Domain: ".inside.test", Hosts: []string{"mail.lan:25"}}}})}
	book := ledger.New()
	job := func(domain string) queue.Job {
		return queue.Job{Item: queue.Item{Recipients: []queue.Recipient{{Destination: domain}}}, Recipients: []int{0}}
	}
	failed := queue.Report{
		Outcomes: []queue.Outcome{{Cause: "tls-version"}},
		Evidence: []queue.Evidence{{Host: "mx.old.test", Remote: "192.0.2.1:25", Cause: "tls-version", Seen: "alert 70", Needed: "1.2"}},
	}
	delivered := queue.Report{Outcomes: []queue.Outcome{{}, {Result: queue.ResultDelivered, TLS: queue.TLSFacts{Version: "1.3"}}}}
	l.note(book, job("old.test"), failed)
	l.note(book, job("old.test"), delivered)
	l.note(book, job("good.test"), delivered)
	l.note(book, job("a.inside.test"), failed)
	e, _ := book.Domain("old.test")
	if len(e.Hosts) != 1 || e.Hosts[0].Host != "mx.old.test" || e.Hosts[0].Answer != "alert 70" || e.Version != "TLS 1.3" || !e.Delivered.After(e.Last) {
		t.Errorf("got %+v", e)
	}
	for _, domain := range []string{"good.test", "a.inside.test"} {
		if e, known := book.Domain(domain); known {
			t.Errorf("%s: %+v", domain, e)
		}
	}
}

// A damaged ledger does not keep the relay from starting, and what one leaves behind the next one has.
func TestLedgerOutlivesTheRelay(t *testing.T) {
	next, _ := startSink(t, true)
	dir := t.TempDir()
	_, _, _, stop := testRelay(t, dir, next)
	stop()
	path := ledgerFile(testConfig(t, dir, next))
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, _, log, stop := testRelay(t, dir, next)
	r.ledger.Note("old.test", []ledger.Seen{{Host: "mx.old.test", Cause: "tls-version", Needed: "1.2"}}, time.Now())
	stop()
	if !strings.Contains(log.b.String(), "is damaged") {
		t.Errorf("the log does not tell of the damage: %s", log.b.String())
	}
	r, err := New(testConfig(t, dir, next), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if _, known := r.ledger.Domain("old.test"); !known {
		t.Error("forgotten")
	}
}
