package smtpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// afterSTARTTLS is a session right before STARTTLS; the server answers 220 to that and goes on with next.
func afterSTARTTLS(t *testing.T, next func(p *peer)) *Conn {
	t.Helper()
	return introduce(t, New(serve(t, func(p *peer) {
		p.greet("STARTTLS")
		p.line()
		p.say("220 go\r\n")
		next(p)
	}), Options{}))
}

// TestTLSOutcomes has a row for each way in which a server can spoil STARTTLS, and what a caller must be able to see of
// it.
func TestTLSOutcomes(t *testing.T) {
	shake := func(edit func(*tls.Config)) func(*peer) {
		return func(p *peer) {
			cfg := serverTLS()
			edit(cfg)
			p.handshake(cfg)
		}
	}
	atMost := func(version uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, version }
	}
	say := func(hexBytes string) func(*peer) {
		return func(p *peer) {
			b, err := hex.DecodeString(hexBytes)
			if err != nil {
				p.t.Error(err)
			}
			p.Read(make([]byte, 4096)) // the ClientHello
			p.say(string(b))
		}
	}
	// A ServerHello with the version and suite given, of a stack that knows no extensions.
	hello := func(version, suite string) string {
		return "16" + version + "002a" + "02000026" + version + strings.Repeat("11", 32) + "00" + suite + "00"
	}
	var header tls.RecordHeaderError
	var cert *tls.CertificateVerificationError
	var remote *net.OpError
	tests := []struct {
		name   string
		server func(*peer)
		cfg    *tls.Config
		text   string // of the error
		as     any    // type of the error
		is     error
		raw    string // hex, how the evidence begins
	}{
		{"at most TLS 1.1", shake(atMost(tls.VersionTLS11)), clientTLS(),
			"protocol version not supported", &remote, nil, "15030100020246"},
		{"at most TLS 1.0", shake(atMost(tls.VersionTLS10)), clientTLS(),
			"protocol version not supported", &remote, nil, "15030100020246"},
		{"old stack that answers TLS 1.0", say(hello("0301", "002f")), clientTLS(),
			"server selected unsupported protocol version 301", nil, nil, "16030100"},
		{"old stack that answers SSL 3.0", say(hello("0300", "002f")), clientTLS(),
			"server selected unsupported protocol version 300", nil, nil, "16030000"},
		{"no shared cipher", shake(func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}), clientTLS(), "handshake failure", &remote, nil, "15030300020228"},
		{"picks DHE", say(hello("0303", "0033")), clientTLS(), "unconfigured cipher suite", nil, nil, "16030300"},
		{"clear text", say(hex.EncodeToString([]byte("454 not now\r\n"))), clientTLS(), "", &header, nil,
			hex.EncodeToString([]byte("454 n"))},
		{"closes", func(p *peer) { p.Read(make([]byte, 4096)); p.Close() }, clientTLS(), "", nil, io.EOF, ""},
		{"certificate untrusted", shake(func(*tls.Config) {}), &tls.Config{ServerName: "mx.test"},
			"", &cert, nil, "160303"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := afterSTARTTLS(t, tt.server)
			state, raw, err := c.StartTLS(t.Context(), tt.cfg)
			wantError(t, err, StageTLS, 0, tt.is)
			if !strings.Contains(err.Error(), tt.text) || tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("error %v (%T)", err, errors.Unwrap(err))
			}
			if got := hex.EncodeToString(raw); !strings.HasPrefix(got, tt.raw) {
				t.Errorf("evidence %.40s, want %s", got, tt.raw)
			}
			if state.HandshakeComplete {
				t.Error("the handshake counts as complete")
			}
			if _, err := c.Hello(t.Context(), "relay.test"); !errors.Is(err, ErrClosed) {
				t.Errorf("the session goes on: %v", err)
			}
		})
	}
}

func TestSTARTTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := afterSTARTTLS(t, func(p *peer) {
			cfg := serverTLS()
			cfg.MaxVersion = version
			if err := p.handshake(cfg); err != nil {
				p.t.Error(err)
			}
			p.play("C: EHLO relay.test\nS: 250-mx\nS: 250 DSN\nC: QUIT")
		})
		state, raw, err := c.StartTLS(t.Context(), clientTLS())
		evidence := bytes.HasPrefix(raw, []byte{22, 3, 3})
		if err != nil || !state.HandshakeComplete || state.Version != version || !evidence {
			t.Fatalf("%x: %v, raw %.10x, %v", version, state.Version, raw, err)
		}
		if c.ext.STARTTLS {
			t.Error("what was offered before TLS is still believed")
		}
		if ext, err := c.Hello(t.Context(), "relay.test"); err != nil || !ext.DSN || ext.STARTTLS {
			t.Errorf("%v, %v", ext, err)
		}
		c.Quit(t.Context())
	}
}

func TestSTARTTLSRefused(t *testing.T) {
	for _, code := range []string{"454", "502"} {
		c := greeted(t, "STARTTLS", "C: STARTTLS\nS: "+code+" 4.7.0 no TLS today\nC: QUIT")
		_, _, err := c.StartTLS(t.Context(), clientTLS())
		e := wantError(t, err, StageSTARTTLS, map[string]int{"454": 454, "502": 502}[code], nil)
		if e.Err != nil {
			t.Errorf("reason %v beside the reply", e.Err)
		}
		c.Quit(t.Context())
	}
	c := greeted(t, "STARTTLS", "C: STARTTLS\nS: 250 what?")
	_, _, err := c.StartTLS(t.Context(), clientTLS())
	wantError(t, err, StageSTARTTLS, 250, ErrProtocol)
}

func TestInjectionBehindSTARTTLS(t *testing.T) {
	c := introduce(t, New(serve(t, func(p *peer) {
		p.greet("STARTTLS")
		p.line()
		p.say("220 go\r\n250 injected\r\n") // one segment
	}), Options{}))
	_, raw, err := c.StartTLS(t.Context(), clientTLS())
	wantError(t, err, StageTLS, 0, ErrInjected)
	if string(raw) != "250 injected\r\n" {
		t.Errorf("evidence %q", raw)
	}
}

func TestSilenceBehindSTARTTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, func(p *peer) {
			p.greet("STARTTLS")
			p.line()
			p.say("220 go\r\n")
			p.rest()
		})
		introduce(t, c)
		start := time.Now()
		_, raw, err := c.StartTLS(t.Context(), clientTLS())
		wantError(t, err, StageTLS, 0, os.ErrDeadlineExceeded)
		if waited := time.Since(start); waited != 30*time.Second || len(raw) != 0 {
			t.Errorf("waited %v, raw %x", waited, raw)
		}
	})
}

func TestHandshakeStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := afterSTARTTLS(t, func(p *peer) {
		p.Read(make([]byte, 4096))
		cancel()
	})
	_, _, err := c.StartTLS(ctx, clientTLS())
	wantError(t, err, StageTLS, 0, context.Canceled)
}

// TestLateRefusal: in TLS 1.3 the client is done before the server has looked at the client's certificate.
func TestLateRefusal(t *testing.T) {
	c := afterSTARTTLS(t, func(p *peer) {
		cfg := serverTLS()
		cfg.ClientAuth = tls.RequireAnyClientCert
		p.handshake(cfg)
	})
	if _, _, err := c.StartTLS(t.Context(), clientTLS()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Hello(t.Context(), "relay.test")
	e := wantError(t, err, StageTLS, 0, nil)
	if !strings.Contains(e.Error(), "certificate required") {
		t.Errorf("error %v", e)
	}
}

// TestClearTextWithinTLS has a server forget the TLS that it agreed to.
func TestClearTextWithinTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, said := range []string{"250 mx.test\r\n", "\x17\x03\x03\x00\x18not what the key gives.."} {
			c := afterSTARTTLS(t, func(p *peer) {
				cfg := serverTLS()
				cfg.MaxVersion = version
				below := p.Conn
				p.handshake(cfg)
				p.line()
				io.WriteString(below, said)
			})
			if _, _, err := c.StartTLS(t.Context(), clientTLS()); err != nil {
				t.Fatal(err)
			}
			_, err := c.Hello(t.Context(), "relay.test")
			wantError(t, err, StageTLS, 0, nil)
		}
	}
}

func TestImplicitTLS(t *testing.T) {
	c := scripted(t, "TLS\nS: 220 mx\nC: EHLO relay.test\nS: 250-mx\nS: 250 AUTH PLAIN\nC: QUIT")
	if _, raw, err := c.Handshake(t.Context(), clientTLS()); err != nil || len(raw) == 0 {
		t.Fatalf("raw %x, %v", raw, err)
	}
	introduce(t, c)
	_, _, err := c.StartTLS(t.Context(), clientTLS())
	wantError(t, err, StageSTARTTLS, 0, nil) // there is TLS already
	c.Quit(t.Context())
}

func TestEvidenceIsBounded(t *testing.T) {
	c := afterSTARTTLS(t, func(p *peer) {
		cfg := serverTLS()
		for range 40 {
			cfg.Certificates[0].Certificate = append(cfg.Certificates[0].Certificate, identity().Certificate[0])
		}
		p.handshake(cfg)
	})
	_, raw, err := c.StartTLS(t.Context(), clientTLS())
	if err != nil || len(raw) != maxTap {
		t.Errorf("%d bytes of evidence, want %d (%v)", len(raw), maxTap, err)
	}
}
