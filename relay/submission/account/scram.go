package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"

	"github.com/xdg-go/scram"
)

// Iterations of PBKDF2 for SCRAM. The client does them at each login; RFC 7677 asks for 4096 at least. Who steals the file
// guesses at these keys rather than at the Argon2id hash, so they are many.
const (
	newIterations = 65536
	minIterations = 4096
	maxIterations = 10_000_000
)

// keys are what SCRAM-SHA-256 (RFC 7677) needs of a password; it cannot be told from a hash of another kind.
type keys struct{ scram.StoredCredentials }

// newKeys makes the keys for a password; nil if RFC 4013 allows none for it, which holds for emoji.
func newKeys(password string) *keys {
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		return nil
	}
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: newIterations})
	if err != nil {
		return nil
	}
	return &keys{stored}
}

// String gives the form of RFC 5803: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey.
func (k keys) String() string {
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", k.Iters, text([]byte(k.Salt)), text(k.StoredKey), text(k.ServerKey))
}

var keysForm = regexp.MustCompile(`^SCRAM-SHA-256\$([1-9][0-9]{0,8}):([^$:]+)\$([^$:]+):([^$:]+)$`)

// parseKeys reads what String wrote.
func parseKeys(s string) (*keys, error) {
	bad := errors.New("not SCRAM keys like SCRAM-SHA-256$65536:salt$key:key")
	parts := keysForm.FindStringSubmatch(s)
	if parts == nil {
		return nil, bad
	}
	var k keys
	k.Iters, _ = strconv.Atoi(parts[1]) // digits, and few of them
	var salt []byte
	for i, to := range []*[]byte{&salt, &k.StoredKey, &k.ServerKey} {
		var err error
		if *to, err = base64.StdEncoding.Strict().DecodeString(parts[i+2]); err != nil {
			return nil, bad
		}
	}
	k.Salt = string(salt)
	if k.Iters < minIterations || k.Iters > maxIterations || len(salt) < 8 || len(salt) > maxBytes ||
		len(k.StoredKey) != sha256.Size || len(k.ServerKey) != sha256.Size {
		return nil, errors.New("the parameters of the SCRAM keys are out of bounds")
	}
	return &k, nil
}

// SCRAM reports whether SCRAM-SHA-256 works for every account that has a password. To offer it otherwise would lock people
// out: a client that knows it takes it, and does not try another mechanism after it has failed.
func (f *File) SCRAM() bool {
	records, err := f.current()
	if err != nil {
		return false
	}
	some := false
	for _, r := range records {
		if _, none := r.hash.(noPassword); none {
			continue
		}
		if r.keys == nil {
			return false
		}
		some = true
	}
	return some
}

// Keys gives what SCRAM-SHA-256 asks for. For an account that does not exist, or has no keys, they fit no password, and look
// the same whenever they are asked for. The error says that the file could not be read.
func (f *File) Keys(name string) (scram.StoredCredentials, error) {
	records, err := f.current()
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	decoy := f.decoyKeys(name)
	if k := records[name].keys; k != nil {
		return k.StoredCredentials, nil
	}
	return decoy, nil
}

func (f *File) decoyKeys(name string) scram.StoredCredentials {
	derive := func(what string) []byte {
		h := hmac.New(sha256.New, f.decoySecret())
		io.WriteString(h, what+"\x00"+name)
		return h.Sum(nil)
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(derive("salt")[:saltSize]), Iters: newIterations},
		StoredKey:  derive("stored"),
		ServerKey:  derive("server"),
	}
}

// decoySecret keeps decoys the same over restarts: a salt that changed would tell that there is no such account. If it
// cannot be kept, a secret for this run has to do.
func decoySecret(path string) []byte {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		file.Write(secret)
		file.Close()
		return secret
	}
	if kept, err := os.ReadFile(path); err == nil && len(kept) == len(secret) {
		return kept
	}
	return secret
}
