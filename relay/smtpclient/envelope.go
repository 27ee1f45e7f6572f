package smtpclient

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Envelope is who a message is from and for. Addresses are in wire form (quoted where they must be, domains in ASCII)
// without the angle brackets; only with SMTPUTF8 their local parts may be beyond ASCII.
type Envelope struct {
	From     string   // "" is the null sender
	To       []string // at least one
	Size     int64    // bytes of the message, told to a server that offers SIZE; 0: not known
	EightBit bool     // the message has bytes above 127
	SMTPUTF8 bool     // an address or the header is UTF-8

	// RequireTLS tells a server that offers REQUIRETLS that the message needs TLS from there on, too. Whether it may go to one
	// that does not is for the caller to say.
	RequireTLS bool

	// What the sender said about notices (RFC 3461). A server that does not offer DSN is not told.
	Return     string   // "FULL", "HDRS"; "" for nothing
	EnvelopeID string   // not encoded; "" for none
	Notify     []Notify // for each of To, in order; nil for nothing
}

// Notify is what the sender said about notices of one recipient.
type Notify struct {
	When     string // "NEVER", "SUCCESS,DELAY"; "" for nothing
	Original string // whom the sender named, "rfc822;user@example.org", not encoded; "" for nobody
}

// Result is what the server answered in one transaction. A zero Reply was not given, or means nothing: once the sender
// is refused, what the server says of recipients is no news about them.
type Result struct {
	Mail Reply
	Rcpt []Reply // one for each of Envelope.To, in order
	Data Reply   // none if the message went with BDAT
	Dot  Reply   // to the end of the message
}

// check refuses what would say something else on the wire than the caller means. The brackets and the line are ours: no
// address may close them.
func (e Envelope) check() error {
	if len(e.To) == 0 {
		return &Error{Stage: StageRcpt, Err: fmt.Errorf("an envelope without recipients %w", ErrArgument)}
	}
	if e.From != "" && !isPath(e.From, e.SMTPUTF8) {
		return &Error{Stage: StageMail, Err: fmt.Errorf("the address %q %w", e.From, ErrArgument)}
	}
	for _, to := range e.To {
		if !isPath(to, e.SMTPUTF8) {
			return &Error{Stage: StageRcpt, Err: fmt.Errorf("the address %q %w", to, ErrArgument)}
		}
	}
	return nil
}

const maxPath = 1000 // bytes; RFC 5321 section 4.5.3.1.3 asks for 256

// isPath reports whether s is printable ASCII, or UTF-8 where that may be, with brackets and spaces only inside of quotes,
// and quotes that match.
func isPath(s string, wide bool) bool {
	quoted, escaped := false, false
	for _, c := range s {
		switch {
		case c < ' ' || c > '~' && !(wide && unicode.IsPrint(c) && c != utf8.RuneError):
			return false
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '<' || c == '>'):
			return false
		}
	}
	return s != "" && len(s) <= maxPath && !quoted
}

// commands are the lines of the transaction: MAIL, RCPT for each recipient, DATA.
func (e Envelope) commands(ext Extensions) []string {
	var mail strings.Builder
	mail.Grow(64 + len(e.From))
	mail.WriteString("MAIL FROM:<")
	mail.WriteString(e.From)
	mail.WriteByte('>')
	if ext.Size && e.Size > 0 {
		mail.WriteString(" SIZE=" + strconv.FormatInt(e.Size, 10))
	}
	if ext.EightBitMIME && e.EightBit {
		mail.WriteString(" BODY=8BITMIME")
	}
	if ext.SMTPUTF8 && e.SMTPUTF8 {
		mail.WriteString(" SMTPUTF8")
	}
	if ext.RequireTLS && e.RequireTLS {
		mail.WriteString(" REQUIRETLS")
	}
	if ext.DSN {
		mail.WriteString(e.mailDSN())
	}
	lines := make([]string, 0, len(e.To)+2)
	lines = append(lines, mail.String())
	for i, to := range e.To {
		line := "RCPT TO:<" + to + ">"
		if ext.DSN && i < len(e.Notify) {
			line += e.Notify[i].parameters()
		}
		lines = append(lines, line)
	}
	return append(lines, "DATA")
}
