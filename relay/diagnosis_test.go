package relay

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tlsrelay/configs"
	"tlsrelay/relay/certificate"
)

// startOld runs a mail host with TLS 1.1 at most.
func startOld(t *testing.T) (address string, version *atomic.Uint32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	version = new(atomic.Uint32)
	version.Store(tls.VersionTLS11)
	source, err := certificate.SelfSigned(t.TempDir(), "old.test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(sink{make(chan string, 100), opened()})
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.TLSConfig = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{GetCertificate: source.Get, MinVersion: tls.VersionTLS10, MaxVersion: uint16(version.Load())}, nil
	}}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String(), version
}

func opened() *atomic.Bool {
	b := new(atomic.Bool)
	b.Store(true)
	return b
}

// A host with old TLS: a probe proves it, the sender hears early, the queue shows the evidence, and the host is watched.
func TestDiagnosisOfOldTLS(t *testing.T) {
	address, version := startOld(t)
	dir := t.TempDir()
	cfg := testConfig(t, dir, address)
	cfg.Queue.Retry = []configs.Duration{configs.Duration(time.Second)}
	cfg.Queue.DelayNoticeProven = configs.OptionalDuration(3 * time.Second)
	r, submit, lines, stop := runRelay(t, cfg)
	defer stop()
	began := time.Now()
	sendMail(t, submit, "a@dest.test", "b@dest.test")
	notice, _ := lines.find(t, "notice")
	if notice["kind"] != "delay" || notice["cause"] != "tls-version" || time.Since(began) < 3*time.Second {
		t.Errorf("after %v: %v", time.Since(began), notice)
	}

	m := queued(t, cfg, "dest.test")
	for _, rcpt := range m.Recipients {
		if len(rcpt.Evidence) != 1 || !rcpt.DelayTold {
			t.Fatalf("recipient %+v", rcpt)
		}
		e := rcpt.Evidence[0]
		if e.Address != address || e.Offers != "TLS 1.0, TLS 1.1" || !e.Proven || e.Needed != "1.2" || e.Attempts < 2 || e.Certificate == nil {
			t.Errorf("evidence %+v", e)
		}
	}
	if n := r.diagnosis.watch.Servers(); n != 1 {
		t.Errorf("%d servers are watched", n)
	}
	target, decision, ok := r.live.trial("dest.test", "127.0.0.1", address)
	if !ok || !target.Anywhere || r.diagnosis.prober.Try(t.Context(), target, decision) == nil {
		t.Errorf("%+v passes", target)
	}
	version.Store(tls.VersionTLS13)
	if err := r.diagnosis.prober.Try(t.Context(), target, decision); err != nil {
		t.Errorf("mended: %v", err)
	}

	off := *cfg
	off.TLS.Probe = false
	if err := r.Reload(&off); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := r.live.trial("dest.test", "127.0.0.1", address); ok {
		t.Error("servers are tried though probes are off")
	}
}

// Where probes are off an attempt sees what it sees, and nobody is asked.
func TestNoProbes(t *testing.T) {
	address, _ := startOld(t)
	cfg := testConfig(t, t.TempDir(), address)
	cfg.Queue.Retry = []configs.Duration{configs.Duration(time.Second)}
	cfg.TLS.Probe = false
	r, submit, lines, stop := runRelay(t, cfg)
	defer stop()
	sendMail(t, submit, "a@dest.test")
	lines.find(t, "delivery")
	time.Sleep(2500 * time.Millisecond)
	if e := queued(t, cfg, "dest.test").Recipients[0].Evidence; len(e) != 1 || !e[0].Probed.IsZero() || !strings.Contains(e[0].Seen, "alert 70") {
		t.Errorf("evidence %+v", e)
	}
	if n := r.diagnosis.watch.Servers(); n != 0 {
		t.Errorf("%d servers are watched", n)
	}
}

// queued gives the one message for a domain.
func queued(t *testing.T, cfg *configs.Config, domain string) (found Message) {
	t.Helper()
	q, err := OpenQueue(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	err = q.List(context.Background(), Selection{Domain: domain}, func(m Message) error { found = m; return nil })
	if err != nil || len(found.Recipients) == 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	return found
}
