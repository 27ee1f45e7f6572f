package certificate

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writePair writes a certificate for these names, whose subject is the file's name.
func writePair(t *testing.T, path string, key crypto.Signer, until time.Time, names ...string) Files {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: filepath.Base(path)}, DNSNames: names,
		NotBefore: until.Add(-365 * 24 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return Files{path, path}
}

func newECDSA(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSA(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// shown does a handshake and gives the subject that the client saw.
func shown(t *testing.T, s *Source, client *tls.Config) string {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go tls.Server(theirs, &tls.Config{GetCertificate: s.Get}).Handshake()
	client.InsecureSkipVerify = true
	conn := tls.Client(ours, client)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestChoiceByName(t *testing.T) {
	dir, next := t.TempDir(), time.Now().Add(time.Hour*24*90)
	key := newECDSA(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	log, _ := logTo(t)
	s, err := FromFiles(log,
		writePair(t, file("first"), key, next, "relay.test"),
		writePair(t, file("wild"), key, next, "*.example.org", "Example.ORG"),
		writePair(t, file("exact"), key, next, "mail.example.org"),
		writePair(t, file("rsa"), newRSA(t), next, "both.test"),
		writePair(t, file("ecdsa"), key, next, "both.test"),
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"":                     "first",
		"relay.test":           "first",
		"unknown.test":         "first",
		"org":                  "first",
		"example.org":          "wild",
		"EXAMPLE.org":          "wild",
		"a.example.org":        "wild",
		"a.b.example.org":      "first", // a wildcard stands for one label
		"mail.example.org":     "exact",
		"MAIL.example.org":     "exact",
		"both.test":            "rsa",
		strings.Repeat("x", 9): "first",
	} {
		if got := shown(t, s, &tls.Config{ServerName: name}); got != want {
			t.Errorf("for %q: %s, want %s", name, got, want)
		}
	}
	onlyECDSA := &tls.Config{ServerName: "both.test", MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
	if got := shown(t, s, onlyECDSA); got != "ecdsa" {
		t.Errorf("a client without RSA sees %s", got)
	}
}

// Each certificate is read again by itself, under its new names.
func TestOneOfSeveralChanges(t *testing.T) {
	dir, next := t.TempDir(), time.Now().Add(time.Hour*24*90)
	key := newECDSA(t)
	log, lines := logTo(t)
	s, err := FromFiles(log, writePair(t, filepath.Join(dir, "first"), key, next, "relay.test"),
		writePair(t, filepath.Join(dir, "second"), key, next, "second.test"))
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	s.now = func() time.Time { return clock }
	look := func(name, want string) {
		t.Helper()
		clock = clock.Add(checkEvery)
		if got := shown(t, s, &tls.Config{ServerName: name}); got != want {
			t.Errorf("for %s: %s, want %s", name, got, want)
		}
	}
	writePair(t, filepath.Join(dir, "second"), key, next, "renamed.test", "more.renamed.test")
	look("renamed.test", "second")
	look("second.test", "first")
	if err := os.WriteFile(filepath.Join(dir, "second"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	look("renamed.test", "second")
	look("renamed.test", "second")
	look("relay.test", "first")
	if n := strings.Count(lines.String(), "last good one"); n != 1 {
		t.Errorf("the trouble is logged %d times:\n%s", n, lines)
	}
	writePair(t, filepath.Join(dir, "second"), key, next, "third.test")
	look("third.test", "second")
}

// The certificate that ends first counts, also after another one was renewed.
func TestExpires(t *testing.T) {
	dir, now, key := t.TempDir(), time.Now().Truncate(time.Second), newECDSA(t)
	write := func(name string, days int) Files {
		return writePair(t, filepath.Join(dir, name), key, now.AddDate(0, 0, days), name+".test")
	}
	s, err := FromFiles(slog.New(slog.DiscardHandler), write("first", 60), write("second", 30))
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	s.now = func() time.Time { return clock }
	for _, want := range []int{30, 60, 60} {
		clock = clock.Add(checkEvery)
		if got := s.Expires(); !got.Equal(now.AddDate(0, 0, want)) {
			t.Errorf("%v, want in %d days", got, want)
		}
		write("second", 90)
	}
}

// log is one that a test reads while it is written.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take gives what was written since the last call.
func (l *log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

func TestExpiry(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "pair"), newECDSA(t)
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		var lines log
		files := writePair(t, path, key, time.Now().Add(10*day+time.Hour), "relay.test")
		s, err := FromFiles(slog.New(slog.NewTextHandler(&lines, nil)), files)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		var said []string // day by day
		for range 13 {
			synctest.Wait()
			said = append(said, lines.take())
			time.Sleep(day)
		}
		cancel()
		<-done
		for i, line := range said {
			want := ""
			switch {
			case i >= 11:
				want = "has expired"
			case i >= 4:
				want = "expires soon"
			}
			if (line == "") != (want == "") || !strings.Contains(line, want) || strings.Count(line, "\n") > 1 {
				t.Errorf("day %d: %q, want %q", i, line, want)
			}
		}
		if !strings.Contains(said[8], "days_left=2") || !strings.Contains(said[8], "relay.test") {
			t.Errorf("day 8: %q", said[8])
		}
	})
}
