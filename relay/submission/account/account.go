// Package account keeps the accounts for SMTP AUTH in one file that only this program writes: a line an account, the
// name, a colon, and the hash of its password. New passwords get an Argon2id hash in PHC format and, after another colon, the
// keys for SCRAM-SHA-256; bcrypt and SHA-512-crypt come from other systems, by [File.Import]. In place of a hash, "!" means that
// there is no password.
package account

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Limits of what [File.Add] takes, in bytes.
const (
	maxName     = 255
	maxPassword = 1024
)

// verifiers is how many passwords are hashed at once; each takes 19 MiB and a processor for some 20 ms.
const verifiers = 2

// Errors of a [File]. Test with errors.Is.
var (
	ErrExists  = errors.New("there is such an account already")
	ErrUnknown = errors.New("there is no such account")
)

// File is a file of accounts. Its methods may be called from many goroutines and processes at once.
type File struct {
	path  string
	slots chan struct{}
	decoy hash // what the password of an unknown account is compared with

	decoySecret func() []byte // of what an unknown account answers in SCRAM

	mu      sync.Mutex
	seen    os.FileInfo // of the file that records was read from; nil if there was none
	records map[string]record
}

// Open reads the file at path. A file that does not exist holds no account; the first Add makes it. A file that others
// than its owner may read, or with a damaged line, is an error.
func Open(path string) (*File, error) {
	f := &File{path: path, slots: make(chan struct{}, verifiers), decoy: newDecoy()}
	f.decoySecret = sync.OnceValue(func() []byte { return decoySecret(path + ".decoy") })
	if _, err := f.current(); err != nil {
		return nil, err
	}
	return f, nil
}

// Add makes an account. It is durable when Add returns, and known to a relay that runs. ErrExists if the name is taken.
func (f *File) Add(name, password string) error {
	r, err := newRecord(name, password)
	if err != nil {
		return err
	}
	return f.add(name, r)
}

// SetPassword gives an account another password, which counts from the next login on. ErrUnknown if there is none of that
// name.
func (f *File) SetPassword(name, password string) error {
	r, err := newRecord(name, password)
	if err != nil {
		return err
	}
	return f.change(func(records map[string]record) error {
		if _, found := records[name]; !found {
			return fmt.Errorf("account %q: %w", name, ErrUnknown)
		}
		records[name] = r
		return nil
	})
}

// Remove deletes an account. ErrUnknown if there is none of that name.
func (f *File) Remove(name string) error {
	return f.change(func(records map[string]record) error {
		if _, found := records[name]; !found {
			return fmt.Errorf("account %q: %w", name, ErrUnknown)
		}
		delete(records, name)
		return nil
	})
}

// Account is what may be told about one.
type Account struct {
	Name  string `json:"name"`
	Hash  string `json:"hash"`  // the kind: "argon2id", "bcrypt", "sha512-crypt", or "none" if no password is set
	SCRAM bool   `json:"scram"` // it can log in with SCRAM-SHA-256
}

// List gives all accounts in the order of their names.
func (f *File) List() ([]Account, error) {
	records, err := f.current()
	if err != nil {
		return nil, err
	}
	list := make([]Account, 0, len(records))
	for _, name := range slices.Sorted(maps.Keys(records)) {
		r := records[name]
		list = append(list, Account{Name: name, Hash: r.hash.kind(), SCRAM: r.keys != nil})
	}
	return list, nil
}

// Verify reports whether password belongs to the account called name. It looks at the file as it is now. It takes the
// same time for an account with a password set here and for one that does not exist; an imported hash takes its own. The
// error says that the file could not be read; no login is right
// or wrong then.
func (f *File) Verify(name, password string) (bool, error) {
	records, err := f.current()
	if err != nil {
		return false, err
	}
	r, found := records[name]
	h := r.hash
	if !found {
		h = f.decoy
	}
	if len(password) > maxPassword {
		password, found = "", false
	}
	f.slots <- struct{}{}
	defer func() { <-f.slots }()
	return h.matches(password) && found, nil
}

// Has reports whether there is an account called name.
func (f *File) Has(name string) (bool, error) {
	records, err := f.current()
	_, found := records[name]
	return found, err
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the account name is empty")
	case len(name) > maxName:
		return fmt.Errorf("the account name is longer than %d bytes", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("account name %q: it must be printable UTF-8", name)
	case strings.Contains(name, ":") || strings.TrimSpace(name) != name:
		return fmt.Errorf("account name %q: no colon, and no space at either end", name)
	}
	return nil
}

// checkPassword tells nothing of the password in its errors.
func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case len(password) > maxPassword:
		return fmt.Errorf("the password is longer than %d bytes", maxPassword)
	case strings.ContainsAny(password, "\x00\r\n"):
		return errors.New("the password has a line break or a NUL byte, which no mail client can send")
	}
	return nil
}
