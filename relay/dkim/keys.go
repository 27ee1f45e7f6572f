package dkim

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Bounds of what is read and done.
const (
	maxKeyFile = 16 << 10 // bytes
	maxKeys    = 8        // of a domain: each is a signature on each message
	maxErrors  = 20       // that one Load tells
)

// Endings of file names.
const (
	keySuffix = ".pem"
	offSuffix = ".pem.off"
)

// Key is one private key.
type Key struct {
	Domain   string
	Selector string
	Type     Type
	Bits     int // of an RSA key
	File     string
	Off      bool // it does not sign

	der    []byte // PKCS#8
	once   sync.Once
	signer crypto.Signer
	err    error
}

// private gives the key ready to sign. That takes RSA a tenth of a millisecond and some kilobytes, so it waits until the
// key is needed: a hoster has many domains that do not send today.
func (k *Key) private() (crypto.Signer, error) {
	k.once.Do(func() { k.signer, k.err = parsePrivate(k.der) })
	if k.err != nil {
		return nil, fmt.Errorf("%s: %w", k.File, k.err)
	}
	return k.signer, nil
}

// Keys are the keys that sign, by domain. They do not change.
type Keys struct {
	domains map[string][]*Key
}

// ErrNoFolder means that the folder of the keys is not there. Test with errors.Is.
var ErrNoFolder = errors.New("there is no such folder")

// Load reads all keys below the folder dir. An error names each file that cannot be used, one in a line, and says what to
// do; or it is ErrNoFolder.
func Load(dir string) (*Keys, error) {
	k := &Keys{domains: map[string][]*Key{}}
	err := walk(dir, func(key *Key) error {
		if key.Off {
			return nil
		}
		k.domains[key.Domain] = append(k.domains[key.Domain], key)
		if len(k.domains[key.Domain]) > maxKeys {
			return fmt.Errorf("%s has more than %d keys, and each would sign each message: rename those that are retired to SELECTOR%s",
				filepath.Dir(key.File), maxKeys, offSuffix)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Len is the number of domains that have keys.
func (k *Keys) Len() int { return len(k.domains) }

// of gives the keys for mail from a domain: its own, or those of the nearest domain above it.
func (k *Keys) of(domain string) []*Key {
	for domain != "" {
		if keys := k.domains[domain]; keys != nil {
			return keys
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return nil
}

// walk calls fn for each key below dir in order of domain and selector, and goes on behind errors, of fn too.
func walk(dir string, fn func(*Key) error) error {
	err := checkFolder(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", dir, ErrNoFolder)
	}
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return advised(err)
	}
	var problems problems
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir(), e.Type()&fs.ModeSymlink != 0 && !strings.HasSuffix(e.Name(), keySuffix): // a link to a folder
			walkDomain(path, fn, &problems)
		case strings.HasSuffix(e.Name(), keySuffix):
			problems.add(fmt.Errorf("%s does not stand in a folder for its domain: move it to %s", path,
				filepath.Join(dir, "DOMAIN", "SELECTOR"+keySuffix)))
		}
	}
	return problems.err()
}

// walkDomain is walk in the folder of one domain. What does not end like a key is passed over: notes, backups, DNS records.
func walkDomain(dir string, fn func(*Key) error, problems *problems) {
	domain := filepath.Base(dir)
	if err := checkDomain(domain); err != nil {
		problems.add(fmt.Errorf("%s: the folder is not named after a domain: %w", dir, err))
		return
	}
	if err := checkFolder(dir); err != nil {
		problems.add(err)
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		problems.add(advised(err))
		return
	}
	for _, e := range entries {
		selector, off, ok := keyName(e.Name())
		if !ok {
			continue
		}
		key, err := readKey(filepath.Join(dir, e.Name()))
		if err == nil {
			key.Domain, key.Selector, key.Off = domain, selector, off
			if err = checkName(selector, domain); err != nil {
				err = fmt.Errorf("%s: %w", key.File, err)
			} else {
				err = fn(key)
			}
		}
		problems.add(err)
	}
}

// keyName takes the selector out of a file's name. ok is false for what is no key.
func keyName(name string) (selector string, off, ok bool) {
	if strings.HasPrefix(name, ".") {
		return "", false, false
	}
	if selector, ok = strings.CutSuffix(name, keySuffix); ok {
		return selector, false, true
	}
	selector, ok = strings.CutSuffix(name, offSuffix)
	return selector, true, ok
}

// problems collects errors, and not too many of them.
type problems struct {
	errs []error
	more int
}

func (p *problems) add(err error) {
	switch {
	case err == nil:
	case len(p.errs) < maxErrors:
		p.errs = append(p.errs, err)
	default:
		p.more++
	}
}

func (p *problems) err() error {
	if p.more > 0 {
		p.errs = append(p.errs, fmt.Errorf("and %d more", p.more))
	}
	return errors.Join(p.errs...)
}
