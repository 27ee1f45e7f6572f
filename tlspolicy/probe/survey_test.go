package probe

import (
	"crypto/tls"
	"net"
	"slices"
	"testing"

	"tlsrelay/tlspolicy"
)

const (
	rc4    = 0x0005 // TLS_RSA_WITH_RC4_128_SHA
	dheAES = 0x0033 // TLS_DHE_RSA_WITH_AES_128_CBC_SHA
)

// chooses is the flight of an old stack, with a Certificate that nobody can read.
func chooses(version, suite uint16) []byte {
	return record(22, version, append(serverHello(version, suite), certificateMessage([]byte("none"))...))
}

// atMost is an old stack: it chooses this version, or what is offered if that is older.
func atMost(newest, suite uint16) func(clientHello) []byte {
	return func(h clientHello) []byte { return chooses(min(newest, h.version), suite) }
}

func TestProbe(t *testing.T) {
	id := identity(t, nil, rsaKey())
	with := func(oldest, newest uint16, edit func(*tls.Config)) func(net.Conn) {
		c := &tls.Config{Certificates: []tls.Certificate{id}, MinVersion: oldest, MaxVersion: newest}
		if edit != nil {
			edit(c)
		}
		return goServer(c)
	}
	suites := func(list ...uint16) func(*tls.Config) { return func(c *tls.Config) { c.CipherSuites = list } }
	// picky hangs up unless a version of the list is offered and the ClientHello is no longer than max.
	picky := func(longest int, list ...uint16) func(clientHello) []byte {
		return func(h clientHello) []byte {
			if h.size > longest || !slices.Contains(list, h.version) {
				return nil
			}
			return chooses(h.version, rc4)
		}
	}
	tests := []struct {
		name   string
		server func(net.Conn)
		want   string
	}{
		{"TLS 1.0 to 1.3", with(tls.VersionTLS10, 0, nil), "3.0- 1.0+ 1.1+ 1.2+ 1.3+ ECDHE+ DHE- RSA- PQ+ big+"},
		{"TLS 1.2 and 1.3", with(tls.VersionTLS12, 0, nil), "3.0- 1.0- 1.1- 1.2+ 1.3+ ECDHE+ DHE- RSA- PQ+ big+"},
		{"TLS 1.3 alone", with(tls.VersionTLS13, 0, nil), "3.0- 1.0- 1.1- 1.2- 1.3+ PQ+ big+"},
		{"TLS 1.2 alone", with(tls.VersionTLS12, tls.VersionTLS12, nil), "3.0- 1.0- 1.1- 1.2+ 1.3- ECDHE+ DHE- RSA- PQ- big+"},
		{"TLS 1.1 alone", with(tls.VersionTLS11, tls.VersionTLS11, nil), "3.0- 1.0- 1.1+ 1.2- 1.3- ECDHE+ DHE- RSA- PQ- big+"},
		{"TLS 1.0 and 1.1", with(tls.VersionTLS10, tls.VersionTLS11, nil), "3.0- 1.0+ 1.1+ 1.2- 1.3- ECDHE+ DHE- RSA- PQ- big+"},
		{"RSA key exchange", with(tls.VersionTLS12, tls.VersionTLS12, suites(tls.TLS_RSA_WITH_AES_128_GCM_SHA256)),
			"3.0- 1.0- 1.1- 1.2+ 1.3- ECDHE- DHE- RSA+ PQ- big+"},
		{"both", with(tls.VersionTLS12, 0, suites(tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)),
			"3.0- 1.0- 1.1- 1.2+ 1.3+ ECDHE+ DHE- RSA+ PQ+ big+"},
		{"P-384, for which it must ask again", with(tls.VersionTLS13, 0, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }),
			"3.0- 1.0- 1.1- 1.2- 1.3+ PQ- big+"},
		{"post-quantum alone", with(tls.VersionTLS13, 0, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768} }),
			"3.0- 1.0- 1.1- 1.2- 1.3? PQ? big?"}, // nobody has that

		{"old stack, SSL 3.0", stack(t, atMost(0x0300, rc4)), "3.0+ 1.0- 1.1- 1.2- 1.3- ECDHE- DHE- RSA+ PQ- big?"},
		{"old stack, TLS 1.0", stack(t, atMost(tls.VersionTLS10, dheAES)), "3.0+ 1.0+ 1.1- 1.2- 1.3- ECDHE- DHE+ RSA- PQ- big+"},
		{"old stack, TLS 1.2 that crypto/tls has no cipher for", stack(t, atMost(tls.VersionTLS12, dheAES)),
			"3.0+ 1.0+ 1.1+ 1.2+ 1.3- ECDHE- DHE+ RSA- PQ- big+"},
		{"hangs up on what it does not have, as Windows does", stack(t, picky(1<<20, tls.VersionTLS12)),
			"3.0- 1.0- 1.1- 1.2+ 1.3- ECDHE- DHE- RSA+ PQ- big+"},
		{"hangs up on a ClientHello that is not small", stack(t, picky(255, tls.VersionTLS10)), "3.0- 1.0+ 1.1- 1.2- 1.3- ECDHE- DHE- RSA+ PQ- big?"},
		{"says 70", stack(t, func(clientHello) []byte { return alert(70) }), "3.0- 1.0- 1.1- 1.2- 1.3- PQ- big?"},
		{"says 40", stack(t, func(clientHello) []byte { return alert(40) }), "3.0? 1.0? 1.1? 1.2? 1.3? PQ? big?"},
		{"says 80", stack(t, func(clientHello) []byte { return alert(80) }), "3.0? 1.0? 1.1? 1.2? 1.3? PQ? big?"},
		{"warns, then refuses", stack(t, func(clientHello) []byte { return append(record(21, 0x0301, []byte{1, 112}), alert(70)...) }),
			"3.0- 1.0- 1.1- 1.2- 1.3- PQ- big?"},
		{"warns, then goes on", stack(t, func(h clientHello) []byte {
			return append(record(21, 0x0301, []byte{1, 112}), atMost(tls.VersionTLS10, rc4)(h)...)
		}), "3.0+ 1.0+ 1.1- 1.2- 1.3- ECDHE- DHE- RSA+ PQ- big+"},
		{"hangs up", stack(t, func(clientHello) []byte { return nil }), "3.0? 1.0? 1.1? 1.2? 1.3? PQ? big?"},
		{"speaks SMTP", stack(t, func(clientHello) []byte { return []byte("454 4.7.0 not now\r\n") }), "3.0? 1.0? 1.1? 1.2? 1.3? PQ? big?"},
		{"speaks SSL 2.0", stack(t, func(clientHello) []byte { return []byte{0x80, 3, 0, 0, 1} }), "3.0- 1.0- 1.1- 1.2- 1.3- PQ- big?"},
		{"speaks of a version to come", stack(t, func(clientHello) []byte { return record(22, 0x0303, serverHello(0x0305, rc4)) }),
			"3.0? 1.0? 1.1? 1.2? 1.3? PQ? big?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.server)
			r := New(Options{Open: dial}).Probe(t.Context(), s.target)
			if got := summary(r); got != tt.want {
				t.Errorf("got  %s\nwant %s\n%+v", got, tt.want, r)
			}
			if r.Trouble != "" || r.STARTTLS != Yes || r.Time.IsZero() || r.Target != s.target {
				t.Errorf("%+v", r)
			}
			if n := s.connections.Load(); n > maxConnections {
				t.Errorf("%d connections", n)
			}
			for _, v := range r.Versions {
				if v.Seen == "" || len(v.Seen) > 200 {
					t.Errorf("%s: seen %q", v.Version.Name(), v.Seen)
				}
			}
		})
	}
}

// What is said of a version is the answer to its own ClientHello, or that of a newer one that chose it.
func TestSeen(t *testing.T) {
	s := serve(t, stack(t, func(h clientHello) []byte {
		switch h.version {
		case tls.VersionTLS13:
			return alert(70)
		case tls.VersionTLS11:
			return nil
		}
		return atMost(tls.VersionTLS10, rc4)(h)
	}))
	r := New(Options{Open: dial}).Probe(t.Context(), s.target)
	want := []string{"ServerHello SSL 3.0, TLS_RSA_WITH_RC4_128_SHA", "ServerHello TLS 1.0, TLS_RSA_WITH_RC4_128_SHA", "the connection was closed",
		"ServerHello TLS 1.0, TLS_RSA_WITH_RC4_128_SHA", "alert 70 (protocol version not supported)"}
	for i, v := range r.Versions {
		if v.Seen != want[i] {
			t.Errorf("%s: %q, want %q", v.Version.Name(), v.Seen, want[i])
		}
	}
	if r.Versions[2].Offered != No || r.Reaches(tlspolicy.TLS12) != No {
		t.Errorf("%+v", r.Versions)
	}
}
