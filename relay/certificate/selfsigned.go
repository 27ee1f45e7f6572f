package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// selfSignedFile holds certificate and key, in the data folder.
const selfSignedFile = "self-signed.pem"

// validity of a self-signed certificate: long, since nothing renews it and no client checks it.
const validity = 10 * 365 * 24 * time.Hour

// SelfSigned gives the self-signed certificate in dir, making it for hostname if there is none.
func SelfSigned(dir, hostname string, log *slog.Logger) (*Source, error) {
	path := filepath.Join(dir, selfSignedFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		text, err := makeSelfSigned(hostname, time.Now())
		if err != nil {
			return nil, err
		}
		if err := writeNew(path, text); err != nil {
			return nil, fmt.Errorf("self-signed certificate: %w", err)
		}
	}
	log.Warn("no [certificate] configured: the listeners show a self-signed one", "file", path)
	return FromFiles(log, Files{path, path})
}

func makeSelfSigned(hostname string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: hostname},
		DNSNames:     []string{hostname},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	_, err = tls.X509KeyPair(text.Bytes(), text.Bytes())
	return text.Bytes(), err
}

// writeNew leaves either the whole file or none: a start that is cut short does not keep the next one from starting.
func writeNew(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
