package account

import (
	"strings"
	"testing"
)

// From the tests of the reference implementation, github.com/P-H-C/phc-winner-argon2.
func TestReferenceHash(t *testing.T) {
	h, err := parseHash("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	if err != nil || !h.matches("password") || h.matches("Password") {
		t.Errorf("%v, %v", h, err)
	}
}

func TestParseHash(t *testing.T) {
	h := newHash(secret)
	back, err := parseHash(h.String())
	if err != nil || back.String() != h.String() || !back.matches(secret) || back.matches("wrong") {
		t.Errorf("%s: %v", h, err)
	}
	if again := newHash(secret); again.String() == h.String() {
		t.Error("two hashes have the same salt")
	}
	salt, key := strings.Repeat("A", 22), strings.Repeat("B", 42)+"A"
	for _, tc := range []struct{ in, says string }{
		{"", "there is no hash"},
		{"$argon2id$v=19$m=19456,t=2,p=1$" + salt, "not an Argon2id"},
		{"$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + key, "Argon2i is not supported"},
		{"$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + key, "not an Argon2id"},
		{"$argon2id$v=19$m=19456,t=2,p=1 $" + salt + "$" + key, "not an Argon2id"},
		{"$argon2id$v=19$m=19456,t=2,p=256$" + salt + "$" + key, "not an Argon2id"},
		{"$argon2id$v=19$m=4294967295,t=2,p=1$" + salt + "$" + key, "out of bounds"},
		{"$argon2id$v=19$m=19456,t=0,p=1$" + salt + "$" + key, "out of bounds"},
		{"$argon2id$v=19$m=19456,t=2,p=0$" + salt + "$" + key, "out of bounds"},
		{"$argon2id$v=19$m=19456,t=1000,p=1$" + salt + "$" + key, "out of bounds"},
		{"$argon2id$v=19$m=1048576,t=5,p=1$" + salt + "$" + key, "out of bounds"},
		{"$argon2id$v=19$m=19456,t=2,p=1$$" + key, "out of bounds"},
		{"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$", "out of bounds"},
		{"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "=$" + key, "not an Argon2id"},
	} {
		if h, err := parseHash(tc.in); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("parseHash(%q) = %v, %v; want %q", tc.in, h, err, tc.says)
		}
	}
}
