package smtpclient

import (
	"errors"
	"fmt"
	"strings"
)

// Stages of the dialogue, for Error.Stage.
const (
	StageConnect  = "connect" // for the caller, who dials; no error made here has it
	StageGreeting = "greeting"
	StageHello    = "ehlo"
	StageSTARTTLS = "starttls" // the command
	StageTLS      = "tls"      // the handshake
	StageAuth     = "auth"
	StageMail     = "mail"
	StageRcpt     = "rcpt"
	StageData     = "data" // the command and the content
	StageDot      = "dot"  // the answer to the end of the content, be it a dot or BDAT
)

// Reasons in Error.Err. Test with errors.Is. A timeout is os.ErrDeadlineExceeded, a closed connection io.EOF or what
// package net gives, a handshake what package tls gives, and the end of the context its error.
var (
	// ErrProtocol: the remote's words are no SMTP, or more than anyone needs.
	ErrProtocol = errors.New("the server does not speak SMTP properly")
	// ErrInjected: there was clear text behind the answer to STARTTLS (CVE-2011-0411 in reverse).
	ErrInjected = errors.New("the server sent clear text after it agreed to start TLS")
	// ErrNoRecipients: each recipient was refused; the replies are in Result.Rcpt.
	ErrNoRecipients = errors.New("the server refused all recipients")
	// ErrBody: the message could not be read, or holds what must not be sent. It was not delivered; the remote is not
	// at fault.
	ErrBody = errors.New("the message text is unusable")
	// ErrEightBit: the message has bytes above 127 and the server offers no 8BITMIME (RFC 6152 section 3).
	ErrEightBit = errors.New("the server does not take 8-bit text (no 8BITMIME)")
	// ErrSMTPUTF8: an address or the header is beyond ASCII and the server offers no SMTPUTF8 (RFC 6531 section 3.2).
	ErrSMTPUTF8 = errors.New("the server does not take addresses and headers in UTF-8 (no SMTPUTF8)")
	// ErrArgument: the caller gave a name or an address that cannot go into a command.
	ErrArgument = errors.New("cannot be sent in an SMTP command")
	// ErrAuthClear: passwords go over TLS only.
	ErrAuthClear = errors.New("no authentication without TLS")
	// ErrAuthMechanism: the server offers neither PLAIN nor LOGIN.
	ErrAuthMechanism = errors.New("the server offers no AUTH mechanism that we have (PLAIN, LOGIN)")
	// ErrChunking: the server offers CHUNKING and does not know BDAT. The message was not delivered; a new session with
	// Options.NoChunking may have better luck.
	ErrChunking = errors.New("the server offers CHUNKING but does not know BDAT")
	// ErrAhead: another envelope was sent ahead (see Conn.Ahead), only that message could come next.
	ErrAhead = errors.New("the session was waiting for another message")
	// ErrClosed: the session ended before, by an error or by Close.
	ErrClosed = errors.New("the SMTP session is over")
)

// Error is any failure of a session.
type Error struct {
	Stage string
	Reply *Reply // what the remote answered, if that is the failure; nil if it did not answer
	Err   error  // what went wrong otherwise; nil if Reply says it all

	unknown bool // the whole message was on its way, before the replies to its envelope were read
}

// Error gives stage and reason in one line, without control characters and of bounded length.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Stage)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %s", printable(e.Err.Error(), 600))
	}
	if e.Reply != nil {
		fmt.Fprintf(&b, ": the server answered %q", printable(e.Reply.Text(), 300))
	}
	return b.String()
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// MayBeDelivered reports whether the remote may have taken the message although it did not say so: the answer to the
// final dot, or to all that was in one flight with the message, got lost. Another attempt may make a duplicate, none may
// lose the message.
func (e *Error) MayBeDelivered() bool {
	return e.unknown || e.Stage == StageDot && (e.Reply == nil || !e.Reply.Refusal())
}

// printable makes hostile text fit for a line in a log.
func printable(s string, limit int) string {
	cut := len(s) > limit
	if cut {
		s = s[:limit]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
	if cut {
		s += "..."
	}
	return s
}

// protocolError is an ErrProtocol with what was seen.
func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}
