package main

import (
	"errors"
	"fmt"
	"io"

	"tlsrelay/configs"
)

// usageError is a mistake in the call that the parser could not see.
type usageError struct{ error }

// errReported is a problem that a command found and has printed.
var errReported = errors.New("a problem was found")

// explain prints an error, one line each for the problems of a configuration, and gives the exit code.
func explain(err error, w io.Writer) int {
	var problems configs.Problems
	var usage usageError
	switch {
	case errors.Is(err, errReported):
	case errors.As(err, &problems):
		fmt.Fprintln(w, problems)
	default:
		fmt.Fprintln(w, "tlsrelay:", err)
	}
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitProblem
}
