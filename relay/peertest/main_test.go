//go:build linux

package peertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for another program.
const patience = 30 * time.Second

// root as a need means that the test must run as that user.
const root = "root"

// need skips the test, or in CI fails it, when a Debian package is not installed or the test must but does not run as
// root.
func need(t *testing.T, what ...string) {
	t.Helper()
	for _, w := range what {
		err := lacks(w)
		switch {
		case err == nil:
		case os.Getenv("CI") == "true":
			t.Fatalf("this test needs %s: %v", w, err)
		default:
			t.Skipf("this test needs %s: %v", w, err)
		}
	}
}

// lacks tells a package by a program that it holds.
func lacks(what string) error {
	switch what {
	case root:
		if os.Geteuid() != 0 {
			return fmt.Errorf("it runs as user %d", os.Geteuid())
		}
		return nil
	case "libnet-ssleay-perl":
		return exec.Command("perl", "-MNet::SSLeay", "-e", "1").Run()
	case "postfix":
		what = "smtp-sink"
	}
	_, err := program(what)
	return err
}

// program finds a program also where only root has it in the path.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}

// scratch makes a folder that the programs' own users get through to, unlike t.TempDir.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "tlsrelay-peer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate writes a self-signed certificate and its key as PEM files.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{hostname}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeFile(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return cert, key
}
