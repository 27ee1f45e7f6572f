//go:build linux

package peertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

// trusted is what the relay takes for the system's one authority, from trustAuthority on.
var trusted authority

// trustAuthority makes that authority. Package x509 reads the system's list once in the life of a process.
func trustAuthority() error {
	var err error
	if trusted, err = newAuthority(nil); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tlsrelay-peer-roots-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, trusted.pem(), 0o600); err != nil {
		return err
	}
	for name, value := range map[string]string{"SSL_CERT_FILE": file, "SSL_CERT_DIR": dir} {
		os.Setenv(name, value)
		defer os.Unsetenv(name) // programs that are started have their own list
	}
	_, err = x509.SystemCertPool()
	return err
}

// newAuthority makes an authority, below another one or by itself.
func newAuthority(parent *authority) (a authority, err error) {
	if a.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return a, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority of the test"},
		NotBefore: time.Now().Add(-100 * time.Hour), NotAfter: time.Now().Add(100 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	by := authority{template, a.key}
	if parent != nil {
		template.Subject.CommonName = "an authority below it"
		by = *parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, a.key.Public(), by.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	return a, err
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// identity is the certificate and key of a host, as files.
type identity struct{ cert, key string }

// identities makes the certificates of the matrix.
type identities struct {
	dir            string
	key            *rsa.PrivateKey // of all hosts where another key is not the point
	unknown, below authority
}

func newIdentities(t *testing.T, dir string) *identities {
	t.Helper()
	ids := &identities{dir: folder(t, dir, "certs", "root")}
	var errs [3]error
	ids.key, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	ids.unknown, errs[1] = newAuthority(nil)
	ids.below, errs[2] = newAuthority(&trusted)
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(ids.dir, "ca.cert"), trusted.pem())
	writeFile(t, filepath.Join(ids.dir, "ca.key"), keyPEM(t, trusted.key))
	return ids
}

// byOpenSSL are the kinds of certificate that Go does not make: arguments for the key, and for the signature.
var byOpenSSL = map[string][2][]string{
	"RSA with 512 bits": {{"-newkey", "rsa:512"}},
	"Ed448":             {{"-newkey", "ed448"}},
	"brainpool":         {{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"}},
	"RSA-PSS":           {{"-newkey", "rsa-pss"}},
	"negative serial":   {{"-newkey", "rsa:2048"}, {"-set_serial", "-77"}},
	"MD5":               {{"-newkey", "rsa:2048"}, {"-md5"}},
	"SHA-1":             {{"-newkey", "rsa:2048"}, {"-sha1"}},
	"version 1":         {{"-newkey", "rsa:2048"}, {"-version 1"}},
}

// make makes an identity for a host. The kind "" is a good one.
func (ids *identities) make(t *testing.T, kind, name string) identity {
	t.Helper()
	id := identity{filepath.Join(ids.dir, name+".cert"), filepath.Join(ids.dir, name+".key")}
	if args, ok := byOpenSSL[kind]; ok {
		ids.runOpenSSL(t, id, name, args)
		return id
	}
	chain, key := ids.issue(t, kind, name)
	var text []byte
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	writeFile(t, id.cert, text)
	writeFile(t, id.key, keyPEM(t, key))
	return id
}

func keyPEM(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (ids *identities) runOpenSSL(t *testing.T, id identity, name string, args [2][]string) {
	t.Helper()
	request, extensions := id.cert+".csr", id.cert+".ext"
	writeFile(t, extensions, []byte("subjectAltName = DNS:"+name+"\n"))
	mustRun(t, "", "openssl", append([]string{"req", "-new", "-nodes", "-subj", "/CN=" + name, "-keyout", id.key, "-out", request}, args[0]...)...)
	sign := []string{"x509", "-req", "-in", request, "-days", "2", "-out", id.cert, "-CA", filepath.Join(ids.dir, "ca.cert"), "-CAkey", filepath.Join(ids.dir, "ca.key")}
	if slices.Contains(args[1], "-version 1") {
		args[1] = nil // no extensions make it one
	} else {
		sign = append(sign, "-extfile", extensions)
	}
	mustRun(t, "", "openssl", append(sign, args[1]...)...)
}

// issue makes a certificate with its chain, and its key.
func (ids *identities) issue(t *testing.T, kind, name string) (chain [][]byte, key crypto.Signer) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
	}
	by, key := trusted, crypto.Signer(ids.key)
	var err error
	switch kind {
	case "":
	case "expired":
		template.NotAfter = time.Now().Add(-time.Hour)
	case "not yet valid":
		template.NotBefore = time.Now().Add(time.Hour)
	case "foreign name":
		template.DNSNames = []string{"other.test"}
	case "wildcard":
		template.DNSNames = []string{"*" + name[len("mx1"):]}
	case "common name alone":
		template.DNSNames = nil
	case "self-signed":
		by = authority{template, ids.key}
	case "unknown authority":
		by = ids.unknown
	case "no intermediate", "intermediate":
		by = ids.below
	case "RSA with 1024 bits":
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	case "P-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "P-521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "Ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no kind %q", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	chain = [][]byte{sign(t, template, by, key.Public())}
	if kind == "intermediate" {
		chain = append(chain, ids.below.cert.Raw)
	}
	return chain, key
}

func sign(t *testing.T, template *x509.Certificate, by authority, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, public, by.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// hugeKey is an RSA key that nobody can compute with: the client must not try.
type hugeKey struct{ public *rsa.PublicKey }

func (k hugeKey) Public() crypto.PublicKey { return k.public }

func (k hugeKey) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	b := make([]byte, k.public.Size())
	_, err := rand.Read(b)
	return b, err
}

// huge makes a certificate with an RSA key of 16384 bits.
func (ids *identities) huge(t *testing.T, name string) tls.Certificate {
	t.Helper()
	b := make([]byte, 16384/8)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	b[0] |= 0x80
	b[len(b)-1] |= 1
	key := hugeKey{&rsa.PublicKey{N: new(big.Int).SetBytes(b), E: 65537}}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	return tls.Certificate{Certificate: [][]byte{sign(t, template, trusted, key.Public())}, PrivateKey: key}
}
