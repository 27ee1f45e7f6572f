package account

import (
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"regexp"
	"strconv"
)

// Rounds of SHA-512-crypt. The specification allows 999,999,999, which take minutes.
const (
	defaultRounds = 5000
	minRounds     = 1000
	maxRounds     = 1_000_000 // about half a second
)

// sha512Crypt is a hash from another system, mostly from /etc/shadow: $6$salt$key or $6$rounds=10000$salt$key, as Ulrich
// Drepper's "Unix crypt using SHA-256 and SHA-512" defines it.
type sha512Crypt struct {
	text, salt, key string
	rounds          int
}

var sha512CryptForm = regexp.MustCompile(`^\$6\$(?:rounds=([1-9][0-9]{3,8})\$)?([!-#%-9;-~]{0,16})\$([./0-9A-Za-z]{86})$`)

func parseSHA512Crypt(s string) (hash, error) {
	parts := sha512CryptForm.FindStringSubmatch(s)
	if parts == nil {
		return nil, errors.New("not a SHA-512-crypt hash like $6$salt$key with a key of 86 characters")
	}
	h := sha512Crypt{text: s, salt: parts[2], key: parts[3], rounds: defaultRounds}
	if parts[1] != "" {
		h.rounds, _ = strconv.Atoi(parts[1]) // digits, and few of them
	}
	if h.rounds < minRounds || h.rounds > maxRounds {
		return nil, errors.New("the rounds of the SHA-512-crypt hash are out of bounds: they must be from 1000 to 1000000")
	}
	return h, nil
}

func (h sha512Crypt) matches(password string) bool {
	key := sha512CryptKey([]byte(password), []byte(h.salt), h.rounds)
	return subtle.ConstantTimeCompare([]byte(h.key), []byte(key)) == 1
}

func (h sha512Crypt) String() string { return h.text }

func (sha512Crypt) kind() string { return "sha512-crypt" }

// sha512CryptKey follows the steps of the specification.
func sha512CryptKey(password, salt []byte, rounds int) string {
	sum := sumOf(password, salt, stretch(sumOf(password, salt, password), len(password)), lengthMix(password, salt))
	p := stretch(sumOf(repeat(password, len(password))), len(password)) // steps 13 to 16
	s := stretch(sumOf(repeat(salt, 16+int(sum[0]))), len(salt))        // 17 to 20
	digest := sha512.New()
	for i := range rounds { // 21
		first, last := sum, p
		if i%2 == 1 {
			first, last = p, sum
		}
		var bySalt, byPassword []byte
		if i%3 != 0 {
			bySalt = s
		}
		if i%7 != 0 {
			byPassword = p
		}
		digest.Reset()
		for _, part := range [][]byte{first, bySalt, byPassword, last} {
			digest.Write(part)
		}
		sum = digest.Sum(sum[:0])
	}
	return encodeSHA512Crypt(sum)
}

// lengthMix is step 11: for each bit of the length, from the lowest, the digest of step 8 or the password.
func lengthMix(password, salt []byte) []byte {
	var mix []byte
	alternate := sumOf(password, salt, password)
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			mix = append(mix, alternate...)
		} else {
			mix = append(mix, password...)
		}
	}
	return mix
}

func sumOf(parts ...[]byte) []byte {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func repeat(b []byte, times int) []byte {
	var all []byte
	for range times {
		all = append(all, b...)
	}
	return all
}

// stretch repeats b to a length of n.
func stretch(b []byte, n int) []byte { return repeat(b, n/len(b)+1)[:n] }

const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// encodeSHA512Crypt is step 22: three bytes at a time, 21 apart, whose order turns by one each time; then the last byte.
func encodeSHA512Crypt(sum []byte) string {
	var text []byte
	group := func(high, middle, low byte, characters int) {
		for w := uint(high)<<16 | uint(middle)<<8 | uint(low); characters > 0; characters-- {
			text = append(text, cryptAlphabet[w&63])
			w >>= 6
		}
	}
	a, b, c := 0, 21, 42
	for range 21 {
		group(sum[a], sum[b], sum[c], 4)
		a, b, c = b+1, c+1, a+1
	}
	group(0, 0, sum[63], 2)
	return string(text)
}
