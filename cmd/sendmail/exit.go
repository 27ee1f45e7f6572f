package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Exit codes of sysexits(3), as callers of sendmail know them.
const (
	exitOK          = 0
	exitUsage       = 64 // the call is wrong
	exitDataErr     = 65 // the message is: no recipients, too large, refused
	exitNoInput     = 66 // it cannot be read
	exitNoUser      = 67 // the relay refused recipients, for good
	exitUnavailable = 69 // the relay, or the program that shows the queue, is of no use
	exitSoftware    = 70
	exitOSErr       = 71 // the system fails
	exitCantCreat   = 73 // there is no room for the message
	exitTempFail    = 75 // the relay does not run, or cannot take mail now
	exitNoPerm      = 77 // the caller may not
)

// failure is the end of a call that did not do all it should.
type failure struct {
	code int
	text string // lines for a person
}

func (f *failure) Error() string { return f.text }

func fail(code int, format string, args ...any) error {
	return &failure{code, fmt.Sprintf(format, args...)}
}

// unreachable says that no relay answers at the socket, and what to do about it.
func unreachable(socket string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fail(exitNoPerm, "you may not use the relay's socket %s; nothing was sent: ask who runs this machine (%v)", socket, err)
	}
	return fail(exitTempFail, "no relay answers at %s; nothing was sent: start tlsrelay with a [[listener]] for that socket, "+
		"or name another by TLSRELAY_SOCKET (%v)", socket, err)
}

// broken says that the connection ended within the dialogue.
func broken(err error) error {
	return fail(exitTempFail, "the relay broke off; nothing was sent: try again (%v)", err)
}

// codeOf gives the exit code for a reply that refuses the message as a whole.
func codeOf(r reply) int {
	switch {
	case r.code < 500:
		return exitTempFail
	case strings.HasPrefix(r.text, "5.7."):
		return exitNoPerm
	}
	return exitDataErr
}
