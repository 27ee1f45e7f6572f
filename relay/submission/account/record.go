package account

import "fmt"

// record is what is kept of an account.
type record struct {
	hash hash
}

// newRecord makes the record of an account whose password is set. Its errors tell nothing of the password.
func newRecord(name, password string) (record, error) {
	if err := checkName(name); err != nil {
		return record{}, err
	}
	if err := checkPassword(password); err != nil {
		return record{}, err
	}
	return record{hash: newHash(password)}, nil
}

// String is the record as it stands in the file.
func (r record) String() string { return fmt.Sprint(r.hash) }

// parseRecord reads what String wrote.
func parseRecord(text string) (record, error) {
	h, err := parseHash(text)
	return record{hash: h}, err
}
