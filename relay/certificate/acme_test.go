package certificate

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tlsrelay/relay/dns/dnstest"
	"tlsrelay/relay/need"
)

// freePort is one of the kernel's choice. Between this and its use somebody else may take it, which is unlikely.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// authority is Pebble, the test server of Let's Encrypt.
type authority struct {
	directory string
	proofs    string // address that it connects to for HTTP-01
	roots     *x509.CertPool
}

// startPebble runs it as a process that ends with the test. Names in the zone are what it can reach.
func startPebble(t *testing.T, zone dnstest.Zone) *authority {
	need.Programs(t, "pebble")
	path, err := need.Path("pebble")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := &authority{roots: x509.NewCertPool()}
	certFile := filepath.Join(dir, "api.pem")
	a.roots.AddCert(writeAPICertificate(t, certFile))
	api, management, proofs := freePort(t), freePort(t), freePort(t)
	a.directory, a.proofs = fmt.Sprintf("https://127.0.0.1:%d/dir", api), fmt.Sprintf("127.0.0.1:%d", proofs)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf("127.0.0.1:%d", api), "managementListenAddress": fmt.Sprintf("127.0.0.1:%d", management),
		"certificate": certFile, "privateKey": certFile, "httpPort": proofs, "tlsPort": freePort(t),
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": 90 * 86400}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	configFile := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(configFile, config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "-config", configFile, "-dnsserver", dnstest.Serve(t, zone).Addr())
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	out, err := os.Create(filepath.Join(dir, "pebble.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		out.Close()
		if text, _ := os.ReadFile(out.Name()); t.Failed() {
			t.Logf("pebble:\n%s", text)
		}
	})
	for range 500 {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", api)); err == nil {
			c.Close()
			return a
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("pebble does not start")
	return nil
}

// writeAPICertificate writes what the directory is served with.
func writeAPICertificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	key := newECDSA(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
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
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// acmeOptions are for the authority; the fallback is a certificate for relay.test by itself.
func acmeOptions(t *testing.T, a *authority, log *slog.Logger) ACMEOptions {
	t.Helper()
	dir := t.TempDir()
	fallback, err := SelfSigned(dir, "fallback.test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return ACMEOptions{
		Names: []string{"relay.test", "mail.relay.test"}, Email: "postmaster@relay.test", Directory: a.directory, HTTP: a.proofs,
		Dir: filepath.Join(dir, "acme"), Fallback: fallback, Roots: a.roots, Log: log,
	}
}

// run runs it until the function that it gives is called.
func (a *ACME) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// leaf is what a client is shown.
func (a *ACME) leaf(t *testing.T) *x509.Certificate {
	t.Helper()
	c, err := a.Get(&tls.ClientHelloInfo{ServerName: "whatever.test"})
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

// isOrdered waits for a certificate of the authority.
func (a *ACME) isOrdered(t *testing.T) *x509.Certificate {
	t.Helper()
	for range 3000 {
		if leaf := a.leaf(t); leaf.DNSNames[0] != "fallback.test" {
			return leaf
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("there is no certificate after 30 seconds")
	return nil
}

func TestACME(t *testing.T) {
	server := startPebble(t, dnstest.Zone{"relay.test": {A: []string{"127.0.0.1"}}, "mail.relay.test": {A: []string{"127.0.0.1"}}})
	var lines log
	o := acmeOptions(t, server, slog.New(slog.NewTextHandler(&lines, nil)))
	a, err := NewACME(o)
	if err != nil {
		t.Fatal(err)
	}
	if names := a.leaf(t).DNSNames; names[0] != "fallback.test" {
		t.Errorf("before the first order: %v", names)
	}
	stop := a.run(t)
	first := a.isOrdered(t)
	for _, name := range o.Names {
		if err := first.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if c, _ := a.Get(nil); len(c.Certificate) < 2 {
		t.Error("the chain has no intermediate certificate")
	}
	stop()
	if err := a.Close(); err != nil {
		t.Errorf("Close after Run: %v", err)
	}
	if len(a.proofs.byPath) != 0 {
		t.Errorf("proofs are kept: %v", a.proofs.byPath)
	}
	checkPrivate(t, o.Dir)

	t.Run("a later run", func(t *testing.T) { laterRun(t, o, first) })
	if text := lines.take(); strings.Count(text, "certificate from the ACME authority") != 3 || strings.Contains(text, "PRIVATE") {
		t.Errorf("log: %s", text)
	}
}

// checkPrivate wants keys that only their owner reads.
func checkPrivate(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !d.IsDir() {
			files++
		}
		return err
	})
	if err != nil || files != 2 {
		t.Errorf("%d files, %v", files, err)
	}
}

// laterRun finds the certificate again, renews it in time, and orders another for other names, with the same account.
func laterRun(t *testing.T, o ACMEOptions, first *x509.Certificate) {
	a, err := NewACME(o)
	if err != nil {
		t.Fatal(err)
	}
	if !a.leaf(t).Equal(first) {
		t.Error("the certificate of the first run is forgotten")
	}
	if left := a.due(time.Now()); left < 59*24*time.Hour || left > 61*24*time.Hour {
		t.Errorf("of 90 days, it is good for %v", left)
	}
	if a.due(first.NotAfter.Add(-29*24*time.Hour)) > 0 {
		t.Error("it is not renewed in its last third")
	}
	account, err := os.ReadFile(filepath.Join(a.o.Dir, fileKey))
	if err != nil {
		t.Fatal(err)
	}
	go a.proofs.serve(t.Context(), a.listen)
	if err := a.order(t.Context()); err != nil { // a renewal, with the account of the first run
		t.Fatal(err)
	}
	if a.leaf(t).Equal(first) {
		t.Error("the renewal is not in use")
	}
	a.Close()

	o.Names = []string{"mail.relay.test"}
	if a, err = NewACME(o); err != nil {
		t.Fatal(err)
	}
	if a.due(time.Now()) <= 0 {
		t.Error("a certificate that has another name, too, is not good enough")
	}
	a.Close()
	os.Remove(filepath.Join(a.o.Dir, fileCert))
	if a, err = NewACME(o); err != nil {
		t.Fatal(err)
	}
	stop := a.run(t)
	if names := a.isOrdered(t).DNSNames; len(names) != 1 || names[0] != "mail.relay.test" {
		t.Errorf("ordered: %v", names)
	}
	stop()
	o.Names = []string{"new.relay.test"}
	if a, err = NewACME(o); err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if a.due(time.Now()) > 0 {
		t.Error("a certificate without the name is good enough")
	}
	if again, err := os.ReadFile(filepath.Join(a.o.Dir, fileKey)); err != nil || string(again) != string(account) {
		t.Errorf("the account has changed: %v", err)
	}
}

// A proof that fails leaves the fallback in use and says why.
func TestACMEProofFails(t *testing.T) {
	server := startPebble(t, dnstest.Zone{"relay.test": {A: []string{"127.0.0.1"}}}) // without mail.relay.test
	var lines log
	a, err := NewACME(acmeOptions(t, server, slog.New(slog.NewTextHandler(&lines, nil))))
	if err != nil {
		t.Fatal(err)
	}
	stop := a.run(t)
	text := ""
	for range 1000 {
		if text += lines.take(); text != "" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	if !strings.Contains(text, "no certificate from the ACME authority") || !strings.Contains(text, "mail.relay.test") ||
		!strings.Contains(text, "next_try=15m0s") {
		t.Errorf("log: %s", text)
	}
	if names := a.leaf(t).DNSNames; names[0] != "fallback.test" {
		t.Errorf("shown: %v", names)
	}
}

// Without an authority the relay runs all the same, and stops when it is told to.
func TestACMEUnreachable(t *testing.T) {
	var lines log
	o := acmeOptions(t, &authority{directory: fmt.Sprintf("https://127.0.0.1:%d/dir", freePort(t)), proofs: "127.0.0.1:0"},
		slog.New(slog.NewTextHandler(&lines, nil)))
	a, err := NewACME(o)
	if err != nil {
		t.Fatal(err)
	}
	stop := a.run(t)
	response, err := http.Get("http://" + a.listen.Addr().String() + "/.well-known/acme-challenge/x")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("a proof that nobody asked for: %s %s", response.Status, text)
	}
	for range 500 {
		if strings.Contains(lines.take(), "connection refused") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	http.DefaultClient.CloseIdleConnections()
}

func TestACMEListenErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	o := acmeOptions(t, &authority{directory: "https://acme.test/dir", proofs: busy.Addr().String()}, slog.New(slog.DiscardHandler))
	if _, err := NewACME(o); err == nil || !strings.Contains(err.Error(), "acme.http: ") {
		t.Errorf("a busy port: %v", err)
	}
	if short(fmt.Errorf("%s", strings.Repeat("ä", 400)+"x")) != strings.Repeat("ä", 150)+"..." {
		t.Error("a long answer is not cut")
	}
}
