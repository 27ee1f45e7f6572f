package relay

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	netsmtp "net/smtp"
	"testing"
)

// A relay that is to get its certificate from an authority works before it has one, and leaves no port open.
func TestRelayWithACME(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	cfg := testConfig(t, t.TempDir(), "127.0.0.1:1")
	cfg.ACME.Names, cfg.ACME.HTTP = []string{"relay.test.example"}, "127.0.0.1:0"
	cfg.ACME.Directory = "https://" + nobody.Addr().String() + "/dir"
	log := &logLines{}
	r, err := New(cfg, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	log.find(t, "ready")
	log.find(t, "no certificate from the ACME authority")
	conn, err := netsmtp.Dial(r.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		t.Fatal(err)
	}
	state, _ := conn.TLSConnectionState()
	if names := state.PeerCertificates[0].DNSNames; len(names) != 1 || names[0] != cfg.Hostname {
		t.Errorf("shown: %v", names)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// Whatever keeps the relay from starting, the port for proofs is free afterwards.
func TestACMEPortIsGivenBack(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	cfg := testConfig(t, t.TempDir(), "127.0.0.1:1")
	cfg.ACME.Names, cfg.ACME.HTTP = []string{"relay.test.example"}, address
	quiet := slog.New(slog.DiscardHandler)
	if _, err := New(cfg, quiet); err == nil {
		t.Fatal("a relay starts whose port for proofs is busy")
	}
	cfg.Listeners[0].Address = address // a mistake that only this test can make
	free.Close()
	if _, err := New(cfg, quiet); err == nil {
		t.Fatal("a relay starts with one address for mail and proofs")
	}
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
