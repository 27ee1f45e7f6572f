package dsn

import (
	"errors"
	"fmt"
	"strings"
)

const hexDigits = "0123456789ABCDEF"

// Encode writes s as xtext (RFC 3461, 4).
func Encode(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// errXtext does not tell more: people do not write xtext by hand.
var errXtext = errors.New("is not xtext (RFC 3461, 4)")

// decode reads xtext. What comes out may be any byte.
func decode(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			if i+2 >= len(s) {
				return "", errXtext
			}
			high, low := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			if high < 0 || low < 0 { // lower case, too: RFC 3461 has capitals only
				return "", errXtext
			}
			c = byte(high<<4 | low)
			i += 2
		case c <= ' ' || c == 127 || c == '=':
			return "", errXtext
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// IsXtext reports whether s can be decoded.
func IsXtext(s string) bool {
	_, err := decode(s)
	return err == nil
}

// maxEnvelopeID is the length of ENVID in characters, encoded (RFC 3461, 4.4).
const maxEnvelopeID = 100

// ParseEnvelopeID reads the value of ENVID. It gives printable ASCII. The error goes on behind the name of the parameter.
func ParseEnvelopeID(value string) (string, error) {
	switch {
	case value == "":
		return "", errors.New("must have a value")
	case len(value) > maxEnvelopeID:
		return "", fmt.Errorf("is longer than %d characters", maxEnvelopeID)
	}
	id, err := decode(value)
	if err == nil && !printable(id) {
		err = errors.New("must be printable ASCII, encoded or not")
	}
	if err != nil {
		return "", err
	}
	return id, nil
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
