package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost of new hashes: the second choice of RFC 9106 is too much memory for a mail server, this is what OWASP advises
// instead (2023).
const (
	newMemory = 19456 // KiB
	newTime   = 2     // passes
	newLanes  = 1
	saltSize  = 16
	keySize   = 32
)

// Bounds of what a file may ask for.
const (
	maxMemory = 1 << 20 // KiB
	maxTime   = 64
	maxWork   = 4 << 20 // KiB times passes: some seconds
	maxLanes  = 16
	maxBytes  = 64 // of salt or key
)

// argon2id is the kind of hash that is made for new passwords.
type argon2id struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

// newHash hashes a password with a fresh salt.
func newHash(password string) argon2id {
	h := argon2id{memory: newMemory, time: newTime, lanes: newLanes, salt: make([]byte, saltSize)}
	rand.Read(h.salt) // never fails
	h.key = h.derive(password, keySize)
	return h
}

// newDecoy gives a hash that no password is known for.
func newDecoy() argon2id {
	h := argon2id{memory: newMemory, time: newTime, lanes: newLanes}
	h.salt, h.key = make([]byte, saltSize), make([]byte, keySize)
	rand.Read(h.salt)
	rand.Read(h.key)
	return h
}

func (h argon2id) derive(password string, size int) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.lanes, uint32(size))
}

func (h argon2id) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.key, h.derive(password, len(h.key))) == 1
}

func (h argon2id) kind() string { return "argon2id" }

// String gives the PHC format: $argon2id$v=19$m=19456,t=2,p=1$salt$hash, the last two in base 64 without padding.
func (h argon2id) String() string {
	text := base64.RawStdEncoding.EncodeToString
	cost := fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.time, h.lanes)
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2.Version, cost, text(h.salt), text(h.key))
}

var errArgon2id = errors.New("not an Argon2id hash like $argon2id$v=19$m=19456,t=2,p=1$salt$hash")

func parseArgon2id(s string) (hash, error) {
	var h argon2id
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return nil, errArgon2id
	}
	cost := parts[3]
	if _, err := fmt.Sscanf(cost, "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.lanes); err != nil {
		return nil, errArgon2id
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.key, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err1 != nil || err2 != nil || h.String() != s {
		return nil, errArgon2id
	}
	switch {
	case h.time < 1 || h.time > maxTime || h.lanes < 1 || h.lanes > maxLanes,
		h.memory < 8*uint32(h.lanes) || h.memory > maxMemory || h.memory*h.time > maxWork,
		len(h.salt) < 8 || len(h.salt) > maxBytes || len(h.key) < 16 || len(h.key) > maxBytes:
		return nil, errors.New("the parameters of the Argon2id hash are out of bounds")
	}
	return h, nil
}
