package account

import (
	"errors"
	"regexp"
	"strconv"

	"golang.org/x/crypto/bcrypt"
)

// maxBcryptCost is 2^14 rounds, which take about a second. Usual are 2^10 to 2^12.
const maxBcryptCost = 14

// bcryptHash is a hash from another system: $2b$cost$salt and key, in bcrypt's own base 64. The letter is of the version
// that made it, which makes no difference for what they all do right.
type bcryptHash string

var bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

func parseBcrypt(s string) (hash, error) {
	parts := bcryptForm.FindStringSubmatch(s)
	if parts == nil {
		return nil, errors.New("not a bcrypt hash like $2b$10$, followed by 53 characters")
	}
	if cost, err := strconv.Atoi(parts[1]); err != nil || cost < bcrypt.MinCost || cost > maxBcryptCost {
		return nil, errors.New("the cost of the bcrypt hash is out of bounds: it must be from 4 to 14")
	}
	return bcryptHash(s), nil
}

// matches uses the first 72 bytes of the password, as bcrypt does everywhere.
func (h bcryptHash) matches(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(h), []byte(password)) == nil
}

func (h bcryptHash) String() string { return string(h) }

func (bcryptHash) kind() string { return "bcrypt" }
