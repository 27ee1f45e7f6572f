package smtpclient

import (
	"strings"

	"tlsrelay/relay/dsn"
)

// mailDSN gives the parameters of MAIL that RFC 3461 has, each behind a blank.
func (e Envelope) mailDSN() string {
	return parameter("RET", e.Return, len("FULL")) + parameter("ENVID", dsn.Encode(e.EnvelopeID), 100)
}

// parameters gives those of RCPT. An original recipient that has grown too long in ASCII is left out.
func (n Notify) parameters() string {
	s := parameter("NOTIFY", n.When, len("SUCCESS,FAILURE,DELAY"))
	if n.Original != "" {
		s += parameter("ORCPT", dsn.EncodeOriginalRecipient(n.Original), 500)
	}
	return s
}

// parameter gives " KEY=value"; nothing if the value is empty, too long or would end the parameter.
func parameter(key, value string, limit int) string {
	if value == "" || len(value) > limit || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || r == '=' }) {
		return ""
	}
	return " " + key + "=" + value
}
