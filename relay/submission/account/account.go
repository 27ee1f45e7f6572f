// Package account keeps the accounts for SMTP AUTH in one file that only this program writes: a line an account, the
// name, a colon, and the Argon2id hash of its password in PHC format.
package account

import (
	"errors"
	"fmt"
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

	mu     sync.Mutex
	seen   os.FileInfo // of the file that hashes was read from; nil if there was none
	hashes map[string]hash
}

// Open reads the file at path. A file that does not exist holds no account; the first Add makes it. A file that others
// than its owner may read, or with a damaged line, is an error.
func Open(path string) (*File, error) {
	f := &File{path: path, slots: make(chan struct{}, verifiers), decoy: newDecoy()}
	if _, err := f.current(); err != nil {
		return nil, err
	}
	return f, nil
}

// Add makes an account. It is durable when Add returns, and known to a relay that runs. ErrExists if the name is taken.
func (f *File) Add(name, password string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := checkPassword(password); err != nil {
		return err
	}
	h := newHash(password)
	return f.change(func(hashes map[string]hash) error {
		if _, found := hashes[name]; found {
			return fmt.Errorf("account %q: %w", name, ErrExists)
		}
		hashes[name] = h
		return nil
	})
}

// Remove deletes an account. ErrUnknown if there is none of that name.
func (f *File) Remove(name string) error {
	return f.change(func(hashes map[string]hash) error {
		if _, found := hashes[name]; !found {
			return fmt.Errorf("account %q: %w", name, ErrUnknown)
		}
		delete(hashes, name)
		return nil
	})
}

// List gives the names of all accounts in order.
func (f *File) List() ([]string, error) {
	hashes, err := f.current()
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(hashes))
	for name := range hashes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Verify reports whether password belongs to the account called name. It looks at the file as it is now and takes the
// same time whether there is such an account or not. The error says that the file could not be read; no login is right
// or wrong then.
func (f *File) Verify(name, password string) (bool, error) {
	hashes, err := f.current()
	if err != nil {
		return false, err
	}
	h, found := hashes[name]
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
	hashes, err := f.current()
	_, found := hashes[name]
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
