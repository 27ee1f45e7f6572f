//go:build linux

package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"

	"tlsrelay/cmd/relaybench/sink"
)

// newCertificate writes a self-signed certificate and its key to one file, and gives its name and the certificate.
func newCertificate(path, name string) (string, []byte, error) {
	made, err := sink.NewCertificate(name)
	if err != nil {
		return "", nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		return "", nil, err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Certificate[0]})
	both := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), certificate...)
	return path, certificate, os.WriteFile(path, both, 0o600)
}
