package address

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parseLocal reads the local part at the start of s. It gives the canonical form and what follows. With wide, printable
// characters beyond ASCII count as letters; they stay as they are, for only the domain's host knows what is the same.
func parseLocal(s string, wide bool) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		local, rest, err = parseQuoted(s[1:], wide)
	} else {
		local, rest, err = parseDotString(s, wide)
	}
	if err == nil && len(local) > maxLocal {
		err = fmt.Errorf("the part before the @ is longer than %d characters", maxLocal)
	}
	return local, rest, err
}

func parseDotString(s string, wide bool) (local, rest string, err error) {
	end := 0
	for end < len(s) {
		n := widthOf(s[end:], wide)
		if n == 0 && (isAtext(s[end]) || s[end] == '.') {
			n = 1
		}
		if n == 0 {
			break
		}
		end += n
	}
	local, rest = s[:end], s[end:]
	switch {
	case rest != "" && rest[0] > 127:
		return "", "", errBeyond(wide)
	case rest != "" && rest[0] != '@':
		return "", "", fmt.Errorf("the part before the @ has %s, which is allowed only in quotes, if at all", show(rest))
	case local == "":
		return "", "", errors.New("the part before the @ is empty")
	}
	// RFC 5321 wants dots between other characters only, but mailboxes with more of them exist and are reached by them.
	return local, rest, nil
}

// parseQuoted reads a quoted string behind its first quote. Quotes and backslashes that are not needed are left out:
// RFC 5321, 4.1.2 wants the simplest form.
func parseQuoted(s string, wide bool) (local, rest string, err error) {
	var content []byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			return quote(string(content)), s[i+1:], nil
		}
		if c == '\\' && i+1 < len(s) {
			i++
			c = s[i]
		}
		if c > 127 {
			n := widthOf(s[i:], wide)
			if n == 0 {
				return "", "", errBeyond(wide)
			}
			content = append(content, s[i:i+n]...)
			i += n - 1
			continue
		}
		if c < ' ' || c == 127 {
			return "", "", errors.New("the part before the @ has a control character")
		}
		content = append(content, c)
	}
	return "", "", errors.New(`the closing double quote " is missing`)
}

// quote gives the simplest wire form of a local part.
func quote(content string) string {
	if isDotString(content) {
		return content
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(content) + `"`
}

func isDotString(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			if !isAtext(atom[i]) && atom[i] < utf8.RuneSelf {
				return false
			}
		}
	}
	return true
}

// isAtext is atext of RFC 5322, 3.2.3.
func isAtext(c byte) bool {
	return isLetDig(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isLetDig(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// widthOf is the length of the printable character beyond ASCII that s starts with; 0 if there is none, or if it must not be.
func widthOf(s string, wide bool) int {
	r, n := utf8.DecodeRuneInString(s)
	if !wide || r < utf8.RuneSelf || r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
		return 0
	}
	return n
}

func errBeyond(wide bool) error {
	if wide {
		return errors.New("the part before the @ has a character that is not printable UTF-8")
	}
	return errors.New("the part before the @ has a character beyond ASCII, which needs SMTPUTF8")
}
