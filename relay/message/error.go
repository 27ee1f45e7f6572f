package message

import "fmt"

// Error says why a message is refused, in the terms of an SMTP reply: Code, enhanced status code (RFC 3463) and a
// sentence for a person. Test for one of the variables below with [errors.Is]; take the reply with [errors.As].
type Error struct {
	Code   int
	Status string
	Text   string

	kind *Error // the variable below that this one tells more about
}

// Reasons to refuse a message.
var (
	ErrLoop = &Error{Code: 554, Status: "5.4.6",
		Text: fmt.Sprintf("The message has passed through more than %d servers: it goes in a circle", maxReceived)}
	ErrNUL = &Error{Code: 554, Status: "5.6.0",
		Text: "The message contains a NUL byte: send binary content as base64"}
	ErrLineTooLong = &Error{Code: 554, Status: "5.6.0",
		Text: fmt.Sprintf("The message has a line over %d bytes: send long text as quoted-printable or base64",
			maxLine)}
	ErrTwoFrom = &Error{Code: 554, Status: "5.6.0",
		Text: "The message has more than one From field: name all its authors in one"}
	ErrHeaderTooLarge = &Error{Code: 552, Status: "5.3.4",
		Text: fmt.Sprintf("The header of the message is larger than %d bytes", maxHeader)}
)

func (e *Error) Error() string { return fmt.Sprintf("%d %s %s", e.Code, e.Status, e.Text) }

// Unwrap makes errors.Is find the variable.
func (e *Error) Unwrap() error {
	if e.kind == nil {
		return nil
	}
	return e.kind
}

// at adds the number of the line where the trouble is.
func (e *Error) at(line int) *Error {
	return &Error{Code: e.Code, Status: e.Status, Text: fmt.Sprintf("%s (line %d)", e.Text, line), kind: e}
}
