package dns

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of a [Resolver]. Test with errors.Is.
var (
	// ErrNoSuchDomain: the DNS says with authority that the name does not exist (NXDOMAIN).
	ErrNoSuchDomain = errors.New("no such domain")
	// ErrTrouble: there is no usable answer now. The error is a *TroubleError.
	ErrTrouble = errors.New("DNS trouble")
)

// TroubleError says which question found no usable answer, and what each server did instead.
type TroubleError struct {
	Question string    // "MX example.org"
	Failures []Failure // the latest of each server, in the order asked; empty if no server was at fault
	Err      error     // what else ended it: the end of the context, unusable records; nil if Failures say it all
}

// Failure is what one server did instead of answering.
type Failure struct {
	Server string // address and port
	Reason string // "no answer within 5s", "answered SERVFAIL"
}

// Error names the question, the servers and the reasons.
func (e *TroubleError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "DNS look-up of %s failed", e.Question)
	sep := ": "
	for _, f := range e.Failures {
		fmt.Fprintf(&b, "%s%s %s", sep, f.Server, f.Reason)
		sep = "; "
	}
	if e.Err != nil {
		fmt.Fprintf(&b, "%s%v", sep, e.Err)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrTrouble) true.
func (e *TroubleError) Is(target error) bool { return target == ErrTrouble }

// Unwrap gives access to the end of a context.
func (e *TroubleError) Unwrap() error { return e.Err }

// note keeps the latest failure of a server.
func (e *TroubleError) note(server string, err error) {
	for i := range e.Failures {
		if e.Failures[i].Server == server {
			e.Failures[i].Reason = err.Error()
			return
		}
	}
	e.Failures = append(e.Failures, Failure{server, err.Error()})
}
