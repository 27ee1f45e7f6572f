//go:build linux

package main

import (
	"fmt"

	"tlsrelay/cmd/relaybench/report"
)

// atMost gives an error if a value is above a bound; 0 is none.
func atMost(what string, value, bound float64) error {
	if bound > 0 && value > bound {
		return fmt.Errorf("%s: %s, more than %s", what, report.Number(value), report.Number(bound))
	}
	return nil
}

// atLeast gives an error if a value is below a bound.
func atLeast(what string, value, bound float64) error {
	if value < bound {
		return fmt.Errorf("%s: %s, less than %s", what, report.Number(value), report.Number(bound))
	}
	return nil
}
