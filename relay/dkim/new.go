package dkim

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// NewKey says which key to make.
type NewKey struct {
	Domain   string // any spelling
	Selector string // "": see DefaultSelector
	Type     Type
	Bits     int // of an RSA key; 0: 2048
}

// ErrWrongKey means that a NewKey asks for something that cannot be. Test with errors.Is.
var ErrWrongKey = errors.New("no such key can be made")

// DefaultSelector is "r20261125" for an RSA key made on that day (UTC), "e20261125" for an Ed25519 key: a name that no earlier
// key had, so that old signatures can still be checked with the old record.
func DefaultSelector(t Type, now time.Time) string {
	return string(t)[:1] + now.UTC().Format("20060102")
}

// Create makes a key in the folder dir, which is there, and gives its record. It never replaces a file. The file is durable
// when it returns.
func Create(dir string, want NewKey, now time.Time) (Record, error) {
	domain, err := Domain(want.Domain)
	if err == nil {
		if want.Selector == "" {
			want.Selector = DefaultSelector(want.Type, now)
		}
		err = checkName(want.Selector, domain)
	}
	if err == nil {
		err = want.checkType()
	}
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrWrongKey, err)
	}
	folder := filepath.Join(dir, domain)
	key := &Key{Domain: domain, Selector: want.Selector, File: filepath.Join(folder, want.Selector+keySuffix)}
	for _, taken := range []string{key.File, filepath.Join(folder, want.Selector+offSuffix)} {
		if _, err := os.Lstat(taken); !errors.Is(err, fs.ErrNotExist) {
			return Record{}, existsError(taken)
		}
	}
	text, err := want.generate()
	if err != nil {
		return Record{}, err
	}
	if err := key.decode(text); err != nil {
		return Record{}, err
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return Record{}, err
	}
	if err := writeNew(key.File, text); err != nil {
		return Record{}, err
	}
	return key.Record()
}

func existsError(file string) error {
	return fmt.Errorf("%s is there already, and a key is never replaced: choose another --selector", file)
}

func (n NewKey) checkType() error {
	switch {
	case n.Type != RSA && n.Type != Ed25519:
		return fmt.Errorf("%q is no type of key: rsa or ed25519", n.Type)
	case n.Type == Ed25519 && n.Bits != 0:
		return errors.New("an Ed25519 key has no choice of bits")
	case n.Type == RSA && n.Bits != 0 && (n.Bits < minBits || n.Bits > maxBits || n.Bits%8 != 0):
		return fmt.Errorf("an RSA key has %d to %d bits, a multiple of 8", minBits, maxBits)
	}
	return nil
}

// generate makes the text of a key file.
func (n NewKey) generate() ([]byte, error) {
	var private any
	var err error
	if n.Type == Ed25519 {
		_, private, err = ed25519.GenerateKey(rand.Reader)
	} else {
		private, err = rsa.GenerateKey(rand.Reader, max(n.Bits, minBits))
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// writeNew writes a file that is not there, whole or not at all: a relay that starts meanwhile does not read a half.
func writeNew(path string, text []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	err = os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return existsError(path)
	}
	return errors.Join(err, syncFolder(dir), syncFolder(filepath.Dir(dir)))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
