package account

import (
	"fmt"
	"sync"
)

// noPassword stands in place of a hash for an account that logs in with a client certificate only. To try a password costs as
// much as with one that is set, and none fits.
type noPassword struct{}

var noPasswordDecoy = sync.OnceValue(newDecoy)

func (noPassword) matches(password string) bool {
	noPasswordDecoy().matches(password)
	return false
}

// String is what a locked account has in other systems' files, too; none of theirs is imported as one.
func (noPassword) String() string { return "!" }

func (noPassword) kind() string { return "none" }

// AddWithoutPassword makes an account that only a client certificate can log in to, until [File.SetPassword] gives it a
// password. ErrExists if the name is taken.
func (f *File) AddWithoutPassword(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return f.add(name, record{hash: noPassword{}})
}

func (f *File) add(name string, r record) error {
	return f.change(func(records map[string]record) error {
		if _, found := records[name]; found {
			return fmt.Errorf("account %q: %w", name, ErrExists)
		}
		records[name] = r
		return nil
	})
}
