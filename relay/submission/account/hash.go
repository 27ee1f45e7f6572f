package account

import (
	"errors"
	"fmt"
	"strings"
)

// hash is a password hash with all that is needed to compare a password with it.
type hash interface {
	matches(password string) bool
	String() string // as it stands in the file; it has no colon
	kind() string   // for a person: "argon2id"
}

// parsers read the hashes that a file may hold, by their first characters.
var parsers = []struct {
	prefix string
	parse  func(string) (hash, error)
}{
	{"$argon2id$", parseArgon2id},
	{"$2a$", parseBcrypt},
	{"$2b$", parseBcrypt},
	{"$2y$", parseBcrypt},
	{"$6$", parseSHA512Crypt},
}

// others are hashes that people come with, and that are not accepted.
var others = []struct{ prefix, name string }{
	{"$y$", "yescrypt"}, {"$gy$", "yescrypt"}, {"$7$", "scrypt"}, {"$1$", "MD5-crypt"}, {"$5$", "SHA-256-crypt"},
	{"$apr1$", "Apache's MD5"}, {"$argon2i$", "Argon2i"}, {"$argon2d$", "Argon2d"}, {"$2x$", "bcrypt from a broken version"},
}

// parseHash reads a hash, and none that would take more than some seconds or a gigabyte to compare. Its errors do not
// repeat it.
func parseHash(s string) (hash, error) {
	for _, p := range parsers {
		if strings.HasPrefix(s, p.prefix) {
			return p.parse(s)
		}
	}
	what := "the hash is of no known kind"
	for _, o := range others {
		if strings.HasPrefix(s, o.prefix) {
			what = o.name + " is not supported"
		}
	}
	switch {
	case s == "":
		return nil, errors.New("there is no hash")
	case strings.HasPrefix(s, "!") || strings.HasPrefix(s, "*"):
		return nil, errors.New("the account is locked")
	}
	return nil, fmt.Errorf("%s: it must be argon2id ($argon2id$), bcrypt ($2a$, $2b$, $2y$) or SHA-512-crypt ($6$)", what)
}
