package address

import (
	"errors"
	"fmt"
	"strings"
)

// parseLocal reads the local part at the start of s. It gives the canonical form and what follows.
func parseLocal(s string) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		local, rest, err = parseQuoted(s[1:])
	} else {
		local, rest, err = parseDotString(s)
	}
	if err == nil && len(local) > maxLocal {
		err = fmt.Errorf("the part before the @ is longer than %d characters", maxLocal)
	}
	return local, rest, err
}

func parseDotString(s string) (local, rest string, err error) {
	end := 0
	for end < len(s) && (isAtext(s[end]) || s[end] == '.') {
		end++
	}
	local, rest = s[:end], s[end:]
	switch {
	case rest != "" && rest[0] > 127:
		return "", "", errBeyondASCII
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
func parseQuoted(s string) (local, rest string, err error) {
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
			return "", "", errBeyondASCII
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
			if !isAtext(atom[i]) {
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

var errBeyondASCII = errors.New("the part before the @ has a character beyond ASCII; SMTPUTF8 is not supported")
