package tlspolicy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// tap keeps what the client reads.
type tap struct {
	net.Conn
	raw []byte
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.raw = append(t.raw, b[:n]...)
	return n, err
}

// shake runs the decision's client against a server and explains what came of it.
func shake(t *testing.T, d Decision, server func(net.Conn)) (error, Cause, Observed) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		server(c)
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	tapped := &tap{Conn: nc}
	err = tls.Client(tapped, d.ClientConfig("mx.example.test")).Handshake()
	nc.Close()
	<-done
	cause, seen := d.Explain(err, tapped.raw)
	return err, cause, seen
}

// identity makes a self-signed certificate for name that ends at notAfter.
func identity(t *testing.T, name string, notAfter time.Time, rsaKey bool) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: notAfter.Add(-48 * time.Hour), NotAfter: notAfter, BasicConstraintsValid: true, IsCA: true,
	}
	var pub, key any
	if rsaKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		pub, key = k.Public(), k
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		pub, key = k.Public(), k
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func serveTLS(c *tls.Config) func(net.Conn) {
	return func(nc net.Conn) {
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		tc := tls.Server(nc, c)
		if tc.Handshake() == nil {
			io.Copy(io.Discard, tc)
		}
	}
}

func TestExplain(t *testing.T) {
	future := time.Now().Add(24 * time.Hour)
	good := identity(t, "mx.example.test", future, true)
	expired := identity(t, "mx.example.test", time.Now().Add(-time.Hour), false)
	other := identity(t, "other.example.test", future, false)
	pool := func(c tls.Certificate) *x509.CertPool {
		p := x509.NewCertPool()
		p.AddCert(c.Leaf)
		return p
	}
	with := func(c tls.Certificate, edit func(*tls.Config)) func(net.Conn) {
		cfg := &tls.Config{Certificates: []tls.Certificate{c}}
		if edit != nil {
			edit(cfg)
		}
		return serveTLS(cfg)
	}
	say := func(hexBytes string) func(net.Conn) {
		raw, err := hex.DecodeString(hexBytes)
		if err != nil {
			t.Fatal(err)
		}
		return func(c net.Conn) {
			c.Read(make([]byte, 4096))
			c.Write(raw)
		}
	}
	// A ServerHello of a stack that ignores the client's versions: TLS 1.0 (or SSL 3.0) with TLS_RSA_WITH_AES_128_CBC_SHA.
	hello := func(version string) string {
		return "16" + version + "002a" + "02000026" + version + strings.Repeat("11", 32) + "00" + "002f" + "00"
	}

	tests := []struct {
		name   string
		d      Decision
		server func(net.Conn)
		cause  string // "" means the handshake must succeed
		seen   string // part of Observed's text
	}{
		{"TLS 1.3", Decision{}, with(good, nil), "", "ServerHello TLS 1.3"},
		{"TLS 1.2", Decision{}, with(good, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), "", "ServerHello TLS 1.2"},
		{"TLS 1.2 with RSA key exchange only", Decision{}, with(good, func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}), "", "TLS_RSA_WITH_AES_128_GCM_SHA256"},
		{"the same at level verified", Decision{Level: Verified, roots: pool(good)}, with(good, func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}), "tls-handshake", "alert 40"},
		{"knows versions, at most 1.1", Decision{}, with(good, func(c *tls.Config) {
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}), "tls-version", "alert 70"},
		{"1.2 under floor 1.3", Decision{Floor: TLS13}, with(good, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }),
			"tls-version", "alert 70"},
		{"old stack that answers TLS 1.0", Decision{}, say(hello("0301")), "tls-version", "ServerHello TLS 1.0"},
		{"old stack that answers SSL 3.0", Decision{}, say(hello("0300")), "tls-version", "ServerHello SSL 3.0"},
		{"old stack that cuts its ServerHello in two records", Decision{}, say("1603010014" + hello("0301")[10:50] + "1603010016" + hello("0301")[50:]),
			"tls-version", "ServerHello TLS 1.0"},
		{"ServerHello without extensions, and more behind it", Decision{}, say("1603010059" + hello("0301")[10:] + "0b00002b00020304" + strings.Repeat("00", 39)),
			"tls-version", "ServerHello TLS 1.0"},
		{"answers in SSL 2.0", Decision{}, say("8010" + "04000100020000000300040700c001020304"), "tls-version", "an answer in SSL 2.0"},
		{"has no cipher for us in SSL 2.0", Decision{}, say("8003000001"), "tls-version", "an answer in SSL 2.0"},
		{"picks a suite nobody offered", Decision{}, say("160303002a" + "02000026" + "0303" + strings.Repeat("11", 32) + "00" + "0033" + "00"),
			"tls-cipher", "ServerHello TLS 1.2"},
		{"alert 40", Decision{}, say("15030300020228"), "tls-handshake", "alert 40"},
		{"alert 71", Decision{}, say("15030300020247"), "tls-cipher", "alert 71"},
		{"clear text", Decision{}, say(hex.EncodeToString([]byte("454 4.7.0 not now\r\n"))), "tls-handshake", "no TLS"},
		{"closes", Decision{}, func(c net.Conn) { c.Read(make([]byte, 4096)) }, "tls-handshake", "nothing"},
		{"self-signed at level verified", Decision{Level: Verified, roots: pool(other)}, with(good, nil), "certificate-untrusted", "ServerHello"},
		{"wrong name at level verified", Decision{Level: Verified, roots: pool(other)}, with(other, nil), "certificate-name", "ServerHello"},
		{"expired at level verified", Decision{Level: Verified, roots: pool(expired)}, with(expired, nil), "certificate-expired", "ServerHello"},
		{"expired at level required", Decision{}, with(expired, nil), "", "ServerHello"},
		{"valid at level verified", Decision{Level: Verified, roots: pool(good)}, with(good, nil), "", "ServerHello"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err, cause, seen := shake(t, tt.d, tt.server)
			if tt.cause == "" {
				if err != nil {
					t.Fatalf("handshake failed: %v", err)
				}
			} else if err == nil || cause.Key != tt.cause {
				t.Errorf("error %v became cause %q, want %q", err, cause.Key, tt.cause)
			}
			if !strings.Contains(seen.String(), tt.seen) {
				t.Errorf("seen %q, want %q", seen, tt.seen)
			}
		})
	}
}

func TestExplainUnreadableCertificate(t *testing.T) {
	broken := identity(t, "mx.example.test", time.Now().Add(time.Hour), false)
	broken.Certificate = [][]byte{[]byte("no certificate at all")}
	broken.Leaf = nil
	err, cause, _ := shake(t, Decision{}, serveTLS(&tls.Config{Certificates: []tls.Certificate{broken}, MaxVersion: tls.VersionTLS13}))
	if cause != CertificateUnreadable {
		t.Errorf("error %v became cause %q", err, cause.Key)
	}
}

func FuzzObserve(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("220 hello\r\n"))
	f.Add([]byte{21, 3, 1, 0, 2, 2, 70})
	f.Add([]byte{0x80, 3, 0, 0, 1})
	f.Add([]byte{0x80, 16, 4, 0, 1, 0, 2, 0, 0})
	f.Add([]byte{22, 3, 1, 0, 1, 2, 22, 3, 1, 0, 3, 0, 0, 38})
	f.Add(append([]byte{22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1}, make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o := Observe(raw)
		if o.Bytes != len(raw) || o.NotTLS && o.Hello || o.Alert < -1 || o.Alert > 255 {
			t.Fatalf("%+v", o)
		}
		if s := o.String(); s == "" || len(s) > 200 {
			t.Fatalf("text %q", s)
		}
	})
}
