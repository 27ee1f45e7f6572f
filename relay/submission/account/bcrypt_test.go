package account

import (
	"strings"
	"testing"
)

// The first two are from the tests of Openwall's crypt_blowfish, the others were made with crypt(3) of libxcrypt.
func TestBcryptVectors(t *testing.T) {
	for _, tc := range []struct{ password, hash string }{
		{"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
		{"U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"},
		{"geheim\xc3\xbc", "$2b$06$abcdefghijklmnopqrstuuG977f9RMry0Z18QsIVGvv6bEddOobBO"},
		{"geheim\xc3\xbc", "$2y$06$abcdefghijklmnopqrstuuG977f9RMry0Z18QsIVGvv6bEddOobBO"},
	} {
		h, err := parseHash(tc.hash)
		if err != nil {
			t.Errorf("%s: %v", tc.hash, err)
			continue
		}
		if !h.matches(tc.password) || h.matches(tc.password+"x") || h.matches("") || h.String() != tc.hash || h.kind() != "bcrypt" {
			t.Errorf("%s is not taken for what it is", tc.hash)
		}
	}
}

func TestImportedHashBounds(t *testing.T) {
	const bcryptRest, shaRest = "$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "salt$" // with 86 characters
	key := strings.Repeat("a", 86)
	for _, tc := range []struct{ in, says string }{
		{"$2a$03" + bcryptRest, "out of bounds"},
		{"$2a$15" + bcryptRest, "out of bounds"},
		{"$2a$31" + bcryptRest, "out of bounds"},
		{"$2a$99" + bcryptRest, "out of bounds"},
		{"$2a$5" + bcryptRest, "not a bcrypt hash"},
		{"$2a$05" + bcryptRest + "x", "not a bcrypt hash"},
		{"$2a$05" + bcryptRest[:40], "not a bcrypt hash"},
		{"$2x$05" + bcryptRest, "broken version is not supported"},
		{"$6$rounds=1000001$" + shaRest + key, "out of bounds"},
		{"$6$rounds=999999999$" + shaRest + key, "out of bounds"},
		{"$6$rounds=99999999999999999999$" + shaRest + key, "not a SHA-512-crypt"},
		{"$6$rounds=999$" + shaRest + key, "not a SHA-512-crypt"},
		{"$6$rounds=01000$" + shaRest + key, "not a SHA-512-crypt"},
		{"$6$" + shaRest + key[1:], "not a SHA-512-crypt"},
		{"$6$seventeen-letters$" + key, "not a SHA-512-crypt"},
		{"$6$sa:lt$" + key, "not a SHA-512-crypt"},
		{"$y$j9T$salt$key", "yescrypt is not supported: it must be argon2id"},
		{"$1$salt$key", "MD5-crypt is not supported"},
		{"plain", "of no known kind"},
		{"!$6$" + shaRest + key, "locked"},
		{"*", "locked"},
	} {
		if h, err := parseHash(tc.in); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("parseHash(%q) = %v, %v; want %q", tc.in, h, err, tc.says)
		}
	}
}
