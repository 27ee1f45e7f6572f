//go:build linux

package main

import (
	"fmt"

	"tlsrelay/cmd/relaybench/report"
)

// Bounds of options: of commands that have mail delivered, and of those that have it taken.
const (
	mostMessages, mostSize, mostClients, mostDomains = 10_000_000, 50_000_000, 1000, 5000
	mostTaken, largestTaken, mostTakers              = 100_000_000, 500_000_000, 10_000

	mostRounds = 100
	maxRate    = 2000 // what pacing can keep up with
)

// between finds a number that cannot be.
func between(flag string, n, least, most int) error {
	if n < least || n > most {
		return usageError{fmt.Errorf("--%s: write a number from %d to %d", flag, least, most)}
	}
	return nil
}

// rateIn finds a rate that cannot be.
func rateIn(flag string, rate float64) error {
	if !(rate > 0 && rate <= maxRate) {
		return usageError{fmt.Errorf("--%s: write a number above 0, up to %d", flag, maxRate)}
	}
	return nil
}

// atMost gives an error if a value is above a bound; 0 is none.
func atMost(what string, value, bound float64) error {
	if bound > 0 && value > bound {
		return fmt.Errorf("%s: %s, more than %s", what, report.Number(value), report.Number(bound))
	}
	return nil
}

// ratioAtMost is atMost for a ratio, which is 0 when no run had something to divide by.
func ratioAtMost(what string, ratio, bound float64) error {
	if bound > 0 && ratio == 0 {
		return fmt.Errorf("%s: too short to be measured; send more messages", what)
	}
	return atMost(what, ratio, bound)
}

// atLeast gives an error if a value is below a bound.
func atLeast(what string, value, bound float64) error {
	if value < bound {
		return fmt.Errorf("%s: %s, less than %s", what, report.Number(value), report.Number(bound))
	}
	return nil
}
