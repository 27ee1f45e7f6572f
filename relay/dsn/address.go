package dsn

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxOriginalRecipient is the length of ORCPT in characters, encoded (RFC 3461, 4.2).
const maxOriginalRecipient = 500

// Types of addresses that are known here.
const (
	typeASCII = "rfc822"
	typeUTF8  = "utf-8" // RFC 6533
)

var (
	addressType = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	embedded    = regexp.MustCompile(`\\x\{[0-9A-F]{2,6}\}`)
)

// ParseOriginalRecipient reads the value of ORCPT, type;xtext. It gives type;address with nothing encoded: printable
// ASCII, or printable UTF-8 if the type is utf-8. The error goes on behind the name of the parameter.
func ParseOriginalRecipient(value string) (string, error) {
	kind, encoded, found := strings.Cut(value, ";")
	switch {
	case len(value) > maxOriginalRecipient:
		return "", fmt.Errorf("is longer than %d characters", maxOriginalRecipient)
	case !found || encoded == "" || !addressType.MatchString(kind):
		return "", errors.New("must be a type and an address: rfc822;user@example.org")
	}
	address, err := decode(encoded)
	if err != nil {
		return "", err
	}
	if kind = strings.ToLower(kind); kind == typeUTF8 {
		address = unembed(address)
		if !printableUTF8(address) {
			return "", errors.New("must be printable UTF-8, encoded or not")
		}
	} else if !printable(address) {
		return "", errors.New("must be printable ASCII, encoded or not, unless its type is utf-8")
	}
	return kind + ";" + address, nil
}

// EncodeOriginalRecipient writes what ParseOriginalRecipient gave as the value of ORCPT, in ASCII.
func EncodeOriginalRecipient(original string) string {
	kind, address, _ := strings.Cut(original, ";")
	if kind == typeUTF8 {
		return kind + ";" + embed(address)
	}
	return kind + ";" + Encode(address)
}

// Field writes what ParseOriginalRecipient gave for a field of a delivery report: ASCII, behind a blank.
func Field(original string) string {
	kind, address, _ := strings.Cut(original, ";")
	if kind == typeUTF8 {
		address = embed(address)
	}
	return kind + "; " + address
}

// Typed gives an address of this relay's the type it needs, in the form of ParseOriginalRecipient.
func Typed(address string) string {
	if printable(address) {
		return typeASCII + ";" + address
	}
	return typeUTF8 + ";" + address
}

// embed writes an address as utf-8-addr-xtext (RFC 6533, 3).
func embed(address string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(address, "?") {
		if r <= ' ' || r > '~' || strings.ContainsRune(`+=\`, r) {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unembed is the reverse of embed.
func unembed(s string) string {
	return embedded.ReplaceAllStringFunc(s, func(code string) string {
		n, err := strconv.ParseInt(code[len(`\x{`):len(code)-1], 16, 32)
		if err != nil || !utf8.ValidRune(rune(n)) {
			return "\x00" // refused as what it is, no character
		}
		return string(rune(n))
	})
}

func printableUTF8(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) })
}
