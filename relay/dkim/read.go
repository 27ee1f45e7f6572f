package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"syscall"
)

// Type is the kind of a key, as DNS records name it.
type Type string

const (
	RSA     Type = "rsa"
	Ed25519 Type = "ed25519"
)

// minBits is the smallest RSA key: RFC 8301, 3.2, wants 2048 of signers. Of keys over maxBits the record has no room in one
// UDP answer, and a signature takes tens of milliseconds.
const (
	minBits = 2048
	maxBits = 4096
)

// checkFolder refuses a folder in which another user could put or replace keys.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by group or others (mode %04o): chmod 700 %[1]s", dir, info.Mode().Perm())
	}
	return nil
}

// readKey reads a key file and looks at it. The error names the file.
func readKey(path string) (*Key, error) {
	text, err := readPrivateFile(path)
	if err != nil {
		return nil, err
	}
	key := &Key{File: path}
	if err := key.decode(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// readPrivateFile reads a file that nobody but its owner may read or write.
func readPrivateFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not stop the start
	if err != nil {
		return nil, advised(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s: others may read or write this private key (mode %04o): chmod 600 %[1]s", path, info.Mode().Perm())
	case info.Size() > maxKeyFile:
		return nil, fmt.Errorf("%s is larger than %d bytes, too large for a key", path, maxKeyFile)
	}
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

// advised says what to do about a file that cannot be opened.
func advised(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: run chown so that it belongs to the user the relay runs as", err)
	}
	return err
}

// decode takes the key out of a file's text, as far as that is cheap: see [Key.private].
func (k *Key) decode(text []byte) error {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return errors.New(`not a PEM file: it must begin with "-----BEGIN PRIVATE KEY-----"`)
	case block.Type == "RSA PRIVATE KEY":
		return errors.New("the key is not in PKCS#8: convert it with openssl pkcs8 -topk8 -nocrypt")
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return errors.New("the key is encrypted: decrypt it with openssl pkcs8")
	case block.Type != "PRIVATE KEY":
		return fmt.Errorf("%.40q where a PRIVATE KEY should be", block.Type)
	}
	k.der = block.Bytes
	return k.look()
}

var (
	oidRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}
)

// look finds type and size, and most kinds of damage, without the arithmetic that makes an RSA key slow to parse.
func (k *Key) look() error {
	damaged := errors.New("the key is damaged: restore it, or make a new one with tlsrelay dkim new")
	var outer struct { // RFC 5958, 2; what may follow does not matter here
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	if _, err := asn1.Unmarshal(k.der, &outer); err != nil {
		return damaged
	}
	switch alg := outer.Algorithm.Algorithm; {
	case alg.Equal(oidEd25519):
		k.Type = Ed25519
		if len(outer.Key) != 2+ed25519.SeedSize {
			return damaged
		}
	case alg.Equal(oidRSA):
		k.Type = RSA
		var inner struct { // RFC 8017, A.1.2
			Version                    int
			N, E, D, P, Q, Dp, Dq, Inv *big.Int
		}
		if _, err := asn1.Unmarshal(outer.Key, &inner); err != nil || new(big.Int).Mul(inner.P, inner.Q).Cmp(inner.N) != 0 {
			return damaged
		}
		if k.Bits = inner.N.BitLen(); k.Bits < minBits || k.Bits > maxBits {
			return fmt.Errorf("the RSA key has %d bits, not %d to %d: make another with tlsrelay dkim new", k.Bits, minBits, maxBits)
		}
	default:
		return errors.New("neither an RSA nor an Ed25519 key: make one with tlsrelay dkim new")
	}
	return nil
}

func parsePrivate(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("the key is damaged (%w): make a new one with tlsrelay dkim new", err)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("a key of type %T cannot sign", key)
}
