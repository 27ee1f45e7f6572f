package dovecot

import (
	"errors"
	"strconv"
	"strings"
)

// answer is what Dovecot says to a request.
type answer struct {
	id   uint32
	user string // whose the password is; "" if it is wrong
	err  error  // it cannot tell
}

// What an answer may say beside yes and no.
var (
	errGarbage   = errors.New("Dovecot sends what is not in its protocol; is it the auth-client socket?")
	errTemporary = errors.New("Dovecot reports a temporary failure; its log says why")
	errMore      = errors.New("Dovecot asks for more than PLAIN has")
	errName      = errors.New("Dovecot gives no user name that is printable and at most 255 bytes long")
	errProxy     = errors.New("Dovecot would pass the login on to another server, and may not have checked the password: " +
		"the relay needs a passdb without proxy for service smtp")
)

// parseAnswer reads a line. found is false if it is no answer to a request, which is no error.
func parseAnswer(line string) (a answer, found bool, err error) {
	verb, rest, _ := strings.Cut(line, "\t")
	if verb != "OK" && verb != "FAIL" && verb != "CONT" {
		return a, false, nil
	}
	text, rest, _ := strings.Cut(rest, "\t")
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return a, false, errGarbage
	}
	a.id = uint32(id)
	switch verb {
	case "OK":
		a.user, a.err = parseOK(rest)
	case "FAIL":
		a.err = parseFail(rest)
	case "CONT":
		a.err = errMore
	}
	return a, true, nil
}

// parseOK reads the parameters of a yes. It is a no for an account that may not log in (nologin), whatever its password.
func parseOK(parameters string) (user string, err error) {
	named := false
	for p := range strings.SplitSeq(parameters, "\t") {
		key, value, _ := strings.Cut(p, "=")
		switch key {
		case "user": // the first one: what a database adds comes later
			if !named {
				user, named = unescape(value), true
			}
		case "proxy", "proxy_maybe":
			return "", errProxy
		}
	}
	if !printable(user) {
		return "", errName
	}
	for p := range strings.SplitSeq(parameters, "\t") {
		if p == "nologin" || strings.HasPrefix(p, "nologin=") {
			return "", nil
		}
	}
	return user, nil
}

// parseFail tells a no from trouble: Dovecot 2.3 and later write code=temp_fail, those before temp.
func parseFail(parameters string) error {
	for p := range strings.SplitSeq(parameters, "\t") {
		if p == "temp" || p == "code=temp_fail" {
			return errTemporary
		}
	}
	return nil
}

// unescape undoes how Dovecot writes control characters within a field.
func unescape(s string) string {
	if !strings.Contains(s, "\x01") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == 1 && i+1 < len(s) {
			i++
			c = s[i]
			if at := strings.IndexByte("01trn", c); at >= 0 {
				c = "\x00\x01\t\r\n"[at]
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}
