package submission

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"

	"tlsrelay/relay/address"
)

// smtpReply makes a reply, of which go-smtp knows only errors. Status is an enhanced status code (RFC 3463).
func smtpReply(code int, status, text string) *smtp.SMTPError {
	e := &smtp.SMTPError{Code: code, Message: text}
	for i, part := range strings.SplitN(status, ".", len(e.EnhancedCode)) {
		e.EnhancedCode[i], _ = strconv.Atoi(part) // a constant here, or of package message
	}
	return e
}

// commandText gives a line of at most limit bytes without its end and the blanks before that.
func commandText(line []byte, limit int) (string, *smtp.SMTPError) {
	if len(line) > limit {
		return "", smtpReply(500, "5.5.2", fmt.Sprintf("Line too long: at most %d bytes", limit))
	}
	text, found := bytes.CutSuffix(line, []byte("\r\n"))
	if !found {
		return "", smtpReply(500, "5.5.2", "A line must end in CR LF, not in LF alone")
	}
	for _, c := range text {
		if c < ' ' || c == 127 {
			return "", smtpReply(501, "5.5.2", "A command must not have control characters")
		}
	}
	return strings.TrimRight(string(text), " "), nil
}

// splitCommand gives the verb in upper case and its argument.
func splitCommand(text string) (verb, arg string) {
	verb, arg, _ = strings.Cut(text, " ")
	return strings.ToUpper(verb), strings.TrimLeft(arg, " ")
}

// checkHello wants a name that a trace field can show: printable ASCII in one piece. Hosts that say "my_pc" are
// welcome.
func checkHello(name string) *smtp.SMTPError {
	if name == "" {
		return smtpReply(501, "5.5.4", "Say who you are: EHLO host.example.org")
	}
	if len(name) > maxHello {
		return smtpReply(501, "5.5.4", fmt.Sprintf("The host name is longer than %d characters", maxHello))
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > 126 {
			return smtpReply(501, "5.5.4", "The host name must be printable ASCII without spaces")
		}
	}
	return nil
}

// parseMail reads the argument of MAIL: the sender, zero for the null sender, and the parameters, which
// only a client has that said EHLO.
func parseMail(arg string, extended bool) (sender address.Address, p mailParameters, refused *smtp.SMTPError) {
	path, found := cutPrefixFold(arg, "FROM:")
	if !found {
		return sender, p, smtpReply(501, "5.5.4", "Syntax: MAIL FROM:<user@example.org>")
	}
	path = strings.TrimLeft(path, " ")
	sender, _, rest, err := address.ParsePathUTF8(path)
	if err != nil {
		return sender, p, smtpReply(501, "5.1.7", "Bad sender address: "+err.Error())
	}
	if rest != "" && !extended {
		return sender, p, errHELO
	}
	p, refused = parseMailParameters(rest)
	if refused == nil && !p.utf8 && !isASCII(path) {
		refused = errUTF8
	}
	return sender, p, refused
}

// errHELO is about a client that wants extensions and has not asked for them (RFC 5321, 2.2.1).
var errHELO = smtpReply(555, "5.5.4", "Parameters are only for clients that said EHLO, not HELO")

// errUTF8 is about an address, or an ORCPT, beyond ASCII (RFC 6531, 3.5).
var errUTF8 = smtpReply(553, "5.6.7", "Addresses beyond ASCII are taken only with the parameter SMTPUTF8 of MAIL")

// parseRcpt reads the argument of RCPT: the recipient and the parameters. wide says that MAIL had SMTPUTF8. <postmaster> without a domain is the one of this host (RFC 5321, 4.1.1.3).
func parseRcpt(arg, hostname string, extended, wide bool) (recipient address.Address, p rcptParameters, refused *smtp.SMTPError) {
	path, found := cutPrefixFold(arg, "TO:")
	if !found {
		return recipient, p, smtpReply(501, "5.5.4", "Syntax: RCPT TO:<user@example.org>")
	}
	path = strings.TrimLeft(path, " ")
	if rest, found := cutPrefixFold(path, "<postmaster>"); found {
		path = "<postmaster@" + hostname + ">" + rest
	}
	recipient, null, rest, err := address.ParsePathUTF8(path)
	switch {
	case err != nil:
		return recipient, p, smtpReply(501, "5.1.3", "Bad recipient address: "+err.Error())
	case null:
		return recipient, p, smtpReply(501, "5.1.3", "Bad recipient address: <> can only be a sender")
	case rest != "" && !extended:
		return recipient, p, errHELO
	case !wide && !isASCII(path):
		return recipient, p, errUTF8
	}
	p, refused = parseRcptParameters(rest)
	return recipient, p, refused
}

// parseAuth reads the argument of AUTH: the mechanism, one of those possible, and the initial response, "" if there is none.
func parseAuth(arg string, possible []string) (mechanism, response string, refused *smtp.SMTPError) {
	fields := strings.Fields(arg)
	if len(fields) < 1 || len(fields) > 2 {
		return "", "", smtpReply(501, "5.5.4", "Syntax: AUTH "+strings.Join(possible, " or AUTH "))
	}
	mechanism = strings.ToUpper(fields[0])
	if !slices.Contains(possible, mechanism) {
		return "", "", smtpReply(504, "5.5.4", "The mechanism is not available: use "+strings.Join(possible, " or "))
	}
	if len(fields) == 2 {
		response = fields[1]
		if !isBase64(response) {
			return "", "", errBase64
		}
	}
	return mechanism, response, nil
}

var errBase64 = smtpReply(501, "5.5.2", "The response must be base64")

// isBase64 reports whether s is what RFC 4954, 4 allows as a response.
func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil || s == "="
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}

func cutPrefixFold(s, prefix string) (rest string, found bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
