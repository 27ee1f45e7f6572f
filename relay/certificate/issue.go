package certificate

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/acme"
)

func newClient(o ACMEOptions) *acme.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}
	transport.DisableKeepAlives = true // one order in weeks
	return &acme.Client{
		DirectoryURL: o.Directory, UserAgent: "tlsrelay", HTTPClient: &http.Client{Transport: transport, Timeout: 30 * time.Second},
	}
}

// issue goes through one order: account, proofs, certificate.
func (a *ACME) issue(ctx context.Context) (*tls.Certificate, error) {
	if err := a.account(ctx); err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	order, err := a.client.AuthorizeOrder(ctx, acme.DomainIDs(a.o.Names...))
	if err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	for _, u := range order.AuthzURLs {
		if err := a.prove(ctx, u); err != nil {
			return nil, err
		}
	}
	if order, err = a.client.WaitOrder(ctx, order.URI); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: a.o.Names}, key)
	if err != nil {
		return nil, err
	}
	chain, _, err := a.client.CreateCertFromOrder(ctx, order, csr, true)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	pair, text, err := newChain(chain, key)
	if err != nil {
		return nil, err
	}
	if err := writeNew(filepath.Join(a.o.Dir, fileCert), text); err != nil {
		a.o.Log.Warn("the new certificate is in use but could not be kept: a restart will order another", "error", err)
	}
	return pair, nil
}

// account makes the client known to the authority, which costs nothing if it is.
func (a *ACME) account(ctx context.Context) error {
	if a.client.Key != nil {
		return nil
	}
	key, err := accountKey(filepath.Join(a.o.Dir, fileKey))
	if err != nil {
		return err
	}
	account := &acme.Account{}
	if a.o.Email != "" {
		account.Contact = []string{"mailto:" + a.o.Email}
	}
	a.client.Key = key
	if _, err := a.client.Register(ctx, account, acme.AcceptTOS); err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		a.client.Key = nil
		return err
	}
	return nil
}

// prove shows that one name is ours, unless the authority has seen that lately.
func (a *ACME) prove(ctx context.Context, authorization string) error {
	z, err := a.client.GetAuthorization(ctx, authorization)
	if err != nil {
		return fmt.Errorf("authorization: %w", err)
	}
	if z.Status == acme.StatusValid {
		return nil
	}
	for _, challenge := range z.Challenges {
		if challenge.Type != "http-01" {
			continue
		}
		text, err := a.client.HTTP01ChallengeResponse(challenge.Token)
		if err != nil {
			return err
		}
		path := a.client.HTTP01ChallengePath(challenge.Token)
		a.proofs.set(path, text)
		defer a.proofs.remove(path)
		if _, err := a.client.Accept(ctx, challenge); err != nil {
			return fmt.Errorf("proof for %s: %w", z.Identifier.Value, err)
		}
		if _, err := a.client.WaitAuthorization(ctx, z.URI); err != nil {
			return fmt.Errorf("proof for %s: %w", z.Identifier.Value, err)
		}
		return nil
	}
	return fmt.Errorf("the authority takes no proof by HTTP for %s", z.Identifier.Value)
}

// accountKey reads the key of the account, or makes it.
func accountKey(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s is not PEM; remove it for a new account", path)
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, fmt.Errorf("%s has no key (%v); remove it for a new account", path, err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeNew(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// newChain checks that chain and key fit together, and gives their text, too.
func newChain(chain [][]byte, key crypto.Signer) (*tls.Certificate, []byte, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	pair, err := tls.X509KeyPair(text, text)
	return &pair, text, err
}

// loadPair reads a file with both; nil if there is none.
func loadPair(path string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(path, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &pair, nil
}
