package submission

import (
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"

	"tlsrelay/queue"
	"tlsrelay/relay/dsn"
)

// mailParameters is what a client says behind the sender.
type mailParameters struct {
	size       int64        // of the message as the client declares it; 0: not said
	ret        queue.Return // RFC 3461, 4.3
	envelopeID string       // RFC 3461, 4.4
	utf8       bool         // SMTPUTF8 (RFC 6531)
	requireTLS bool         // REQUIRETLS (RFC 8689)
}

// rcptParameters is what a client says behind a recipient.
type rcptParameters struct {
	notify   queue.Notify // RFC 3461, 4.1
	original string       // RFC 3461, 4.2
}

// parseMailParameters reads what stands behind the sender in MAIL. BODY (RFC 6152) and AUTH (RFC 4954, 5) are looked at
// and change nothing: the content shows whether it has 8-bit bytes, and who submits is known by the login.
func parseMailParameters(s string) (p mailParameters, refused *smtp.SMTPError) {
	refused = eachParameter("MAIL", s, func(key, value string, given bool) *smtp.SMTPError {
		var err error
		switch key {
		case "SIZE":
			return p.parseSize(value)
		case "BODY":
			if v := strings.ToUpper(value); v != "7BIT" && v != "8BITMIME" {
				return smtpReply(501, "5.5.4", "BODY must be 7BIT or 8BITMIME")
			}
		case "AUTH":
			if value == "" || !dsn.IsXtext(value) {
				return smtpReply(501, "5.5.4", "AUTH must have a value in xtext, AUTH=<> if in doubt")
			}
		case "RET":
			var ok bool
			if p.ret, ok = queue.ParseReturn(value); !ok {
				return smtpReply(501, "5.5.4", "RET must be FULL or HDRS")
			}
		case "ENVID":
			if p.envelopeID, err = dsn.ParseEnvelopeID(value); err != nil {
				return smtpReply(501, "5.5.4", "ENVID "+err.Error())
			}
		case "SMTPUTF8":
			if given {
				return smtpReply(501, "5.5.4", "SMTPUTF8 has no value")
			}
			p.utf8 = true
		case "REQUIRETLS":
			if given {
				return smtpReply(501, "5.5.4", "REQUIRETLS has no value")
			}
			p.requireTLS = true
		default:
			return errParameter("MAIL")
		}
		return nil
	})
	return p, refused
}

// parseSize reads SIZE (RFC 1870). Of a number that is too large for us it takes the largest that is not.
func (p *mailParameters) parseSize(value string) *smtp.SMTPError {
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return smtpReply(501, "5.5.4", "SIZE must be a number")
	}
	n, _ := strconv.ParseUint(value, 10, 63)
	p.size = int64(n)
	return nil
}

// parseRcptParameters reads what stands behind the recipient in RCPT.
func parseRcptParameters(s string) (p rcptParameters, refused *smtp.SMTPError) {
	refused = eachParameter("RCPT", s, func(key, value string, given bool) *smtp.SMTPError {
		var err error
		switch key {
		case "NOTIFY":
			var ok bool
			if p.notify, ok = queue.ParseNotify(value); !ok {
				return smtpReply(501, "5.5.4", "NOTIFY must be NEVER, or some of SUCCESS,FAILURE,DELAY")
			}
		case "ORCPT":
			if p.original, err = dsn.ParseOriginalRecipient(value); err != nil {
				return smtpReply(501, "5.5.4", "ORCPT "+err.Error())
			}
		default:
			return errParameter("RCPT")
		}
		return nil
	})
	return p, refused
}

// eachParameter calls take with each parameter of a command, its key in upper case. given tells "KEY=" from "KEY".
func eachParameter(verb, s string, take func(key, value string, given bool) *smtp.SMTPError) *smtp.SMTPError {
	if s == "" {
		return nil
	}
	seen := map[string]bool{}
	for _, p := range strings.Fields(s) {
		key, value, given := strings.Cut(p, "=")
		key = strings.ToUpper(key)
		if seen[key] {
			return smtpReply(501, "5.5.4", "A "+verb+" parameter stands there twice")
		}
		seen[key] = true
		if refused := take(key, value, given); refused != nil {
			return refused
		}
	}
	return nil
}

// errParameter is about a parameter that is unknown, or belongs to an extension that is not offered. What the client sent is
// not repeated.
func errParameter(verb string) *smtp.SMTPError {
	return smtpReply(555, "5.5.4", "A "+verb+" parameter is not supported; see the answer to EHLO for those that are")
}
