package account

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Import adds accounts of another system: lines of NAME:HASH, as in passwd, shadow and Dovecot's passwd-file, whose further
// fields do not count. Empty lines and those that begin with # are passed over. It adds all of them or none; the error then
// names each line that is wrong, with the name of the account but not its hash. n is how many were added.
func (f *File) Import(lines io.Reader) (n int, err error) {
	text, err := io.ReadAll(io.LimitReader(lines, maxFile)) // before the lock
	if err != nil {
		return 0, fmt.Errorf("reading the accounts: %w", err)
	}
	err = f.change(func(records map[string]record) error {
		n, err = addImported(records, string(text))
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func addImported(records map[string]record, text string) (n int, err error) {
	var errs []error
	number := 0
	first := map[string]int{} // the line where a name stands
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, h, err := parseImportLine(line)
		_, found := records[name]
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("line %d: %w", number, err))
		case first[name] > 0:
			errs = append(errs, fmt.Errorf("line %d: account %q stands in line %d, too", number, name, first[name]))
		case found:
			errs = append(errs, fmt.Errorf("line %d: account %q: %w", number, name, ErrExists))
		default:
			records[name], first[name] = record{hash: h}, number
		}
	}
	if len(errs) == 0 && len(first) == 0 {
		return 0, errors.New("there is no account to import: write lines of NAME:HASH")
	}
	return len(first), errors.Join(errs...)
}

func parseImportLine(text string) (name string, h hash, err error) {
	name, rest, found := strings.Cut(text, ":")
	if !found {
		return "", nil, errors.New("not a line of NAME:HASH")
	}
	if checkName(name) != nil || strings.ContainsAny(name[:1], "${") { // it may be a hash, and is not repeated
		return "", nil, errors.New("the name before the colon cannot be an account's")
	}
	field, _, _ := strings.Cut(rest, ":")
	h, err = parseScheme(field)
	if err != nil {
		return "", nil, fmt.Errorf("account %q: %w", name, err)
	}
	return name, h, nil
}

// schemes are the kinds of hash that Dovecot's names for them allow.
var schemes = map[string][]string{
	"":             {"argon2id", "bcrypt", "sha512-crypt"},
	"CRYPT":        {"bcrypt", "sha512-crypt"},
	"SHA512-CRYPT": {"sha512-crypt"},
	"BLF-CRYPT":    {"bcrypt"},
	"ARGON2ID":     {"argon2id"},
}

var schemeForm = regexp.MustCompile(`^\{([-.A-Za-z0-9]{1,20})\}(.*)$`)

// parseScheme reads a hash that may have the name of its scheme before it, such as {BLF-CRYPT}.
func parseScheme(field string) (hash, error) {
	scheme := ""
	if parts := schemeForm.FindStringSubmatch(field); parts != nil {
		scheme, field = strings.ToUpper(parts[1]), parts[2]
	}
	kinds := schemes[scheme]
	if kinds == nil {
		return nil, fmt.Errorf("the scheme {%s} is not supported: it must be ARGON2ID, BLF-CRYPT, SHA512-CRYPT or CRYPT", scheme)
	}
	h, err := parseHash(field)
	if err != nil {
		return nil, err
	}
	for _, k := range kinds {
		if k == h.kind() {
			return h, nil
		}
	}
	return nil, fmt.Errorf("the scheme is {%s}, but the hash is %s", scheme, h.kind())
}
