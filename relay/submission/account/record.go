package account

import "strings"

// record is what is kept of an account.
type record struct {
	hash hash
	keys *keys // for SCRAM; nil if there are none
}

// newRecord makes the record of an account whose password is set. Its errors tell nothing of the password.
func newRecord(name, password string) (record, error) {
	if err := checkName(name); err != nil {
		return record{}, err
	}
	if err := checkPassword(password); err != nil {
		return record{}, err
	}
	return record{newHash(password), newKeys(password)}, nil
}

// String is the record as it stands in the file: the hash, and after a colon the keys for SCRAM.
func (r record) String() string {
	if r.keys == nil {
		return r.hash.String()
	}
	return r.hash.String() + ":" + r.keys.String()
}

// parseRecord reads what String wrote.
func parseRecord(text string) (r record, err error) {
	if text == (noPassword{}).String() {
		return record{hash: noPassword{}}, nil
	}
	hashText, keysText, found := strings.Cut(text, ":")
	if r.hash, err = parseHash(hashText); err != nil {
		return r, err
	}
	if found {
		r.keys, err = parseKeys(keysText)
	}
	return r, err
}
