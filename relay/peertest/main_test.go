//go:build linux

package peertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tlsrelay/relay/need"
)

func TestMain(m *testing.M) {
	if err := trustAuthority(); err != nil {
		log.Fatal(err)
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait for another program.
const patience = 30 * time.Second

// needPackages ends the test, as package need does, unless it runs as root and these Debian packages are here.
func needPackages(t *testing.T, names ...string) {
	t.Helper()
	need.Root(t)
	for _, name := range names {
		switch name { // a package is told by a program that it holds
		case "libnet-ssleay-perl":
			need.That(t, name, exec.Command("perl", "-MNet::SSLeay", "-e", "1").Run())
		case "postfix":
			need.Programs(t, "smtp-sink")
		case "exim4-daemon-light":
			need.Programs(t, "exim4")
			_, err := user.Lookup(eximUser)
			need.That(t, "the user "+eximUser, err)
		case "dovecot-core":
			need.Programs(t, "dovecot")
			_, err := user.Lookup("dovecot")
			need.That(t, "the user dovecot", err)
		case "node-nodemailer":
			need.Programs(t, "node")
			_, err := os.Stat(nodeModules + "/nodemailer")
			need.That(t, name, err)
		case "libsasl2-modules":
			found, err := filepath.Glob("/usr/lib/*/sasl2/libplain.so")
			if err == nil && len(found) == 0 {
				err = os.ErrNotExist
			}
			need.That(t, name, err)
		case "testssl.sh":
			need.Programs(t, "testssl")
		case "gnutls-bin":
			need.Programs(t, "gnutls-serv")
		default:
			need.Programs(t, name)
		}
	}
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
	return certify(t, dir, private)
}

// certify is certificate for a key that is there.
func certify(t *testing.T, dir string, private crypto.Signer) (cert, key string) {
	t.Helper()
	template := &x509.Certificate{
		Subject:      pkix.Name{CommonName: hostname}, // some programs take none without a name
		SerialNumber: big.NewInt(1), DNSNames: []string{hostname, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
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
	if err := os.Chmod(cert, 0o644); err != nil { // clients read it as users of their own
		t.Fatal(err)
	}
	return cert, key
}

// nodeModules is where Debian keeps the packages of Node.js.
const nodeModules = "/usr/share/nodejs"
