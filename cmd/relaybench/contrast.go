//go:build linux

package main

import (
	"context"
	"fmt"
	"io"

	"tlsrelay/cmd/relaybench/report"
)

// contrast is the mail of systems that take turns: each without the mail for bad hosts, and then with it.
type contrast struct {
	Summary []contrastSummary `json:"summary"`
	Ratios  []contrastRatio   `json:"ratios"`
	Runs    []contrastSample  `json:"runs"`
	outcome
}

// contrastSample is what one run of one system gave.
type contrastSample struct {
	System string `json:"system"`
	Round  int    `json:"round"`
	Bad    bool   `json:"with"`
	waits         // of the mail for healthy hosts
	Tally  tally  `json:"books"`
}

// contrastSummary is one system over all rounds, with bad hosts or without.
type contrastSummary struct {
	System string        `json:"system"`
	Bad    bool          `json:"with"`
	P50    report.Spread `json:"p50_ms"`
	P99    report.Spread `json:"p99_ms"`
	Max    report.Spread `json:"max_ms"`
}

// contrastRatio divides the times with bad hosts by those without.
type contrastRatio struct {
	System string        `json:"system"`
	P50    report.Spread `json:"p50"`
	P99    report.Spread `json:"p99"`
}

// Measures of a contrastSample.
func p50(s *contrastSample) float64 { return s.P50 }
func p99(s *contrastSample) float64 { return s.P99 }

func (s *contrastSample) what(bad string) string {
	if s.Bad {
		return s.System + " with " + bad
	}
	return s.System + " without"
}

// measure has the systems take turns. bad is what the hosts are called; once fills in what a run gave.
func (c *contrast) measure(ctx context.Context, rounds int, systems []string, bad string, told io.Writer,
	once func(context.Context, *contrastSample) error) error {
	for round := range rounds {
		for _, name := range systems {
			for _, with := range []bool{false, true} {
				s := contrastSample{System: name, Round: round + 1, Bad: with}
				if err := once(ctx, &s); err != nil {
					return fmt.Errorf("%s: %w", s.what(bad), err)
				}
				c.Runs = append(c.Runs, s)
				c.book(fmt.Sprintf("%s, round %d", s.what(bad), s.Round), &s.Tally)
				fmt.Fprintf(told, "round %d: %-26s p50 %.1f ms, p99 %.1f ms\n", s.Round, s.what(bad), s.P50, s.P99)
			}
		}
	}
	for _, name := range systems {
		c.sumUp(name)
	}
	return nil
}

// sumUp adds a system over all rounds.
func (c *contrast) sumUp(name string) {
	var groups [2]report.Runs[contrastSample]
	for i, bad := range []bool{false, true} {
		g := report.Runs[contrastSample](c.Runs).Where(func(s *contrastSample) bool { return s.System == name && s.Bad == bad })
		c.Summary = append(c.Summary, contrastSummary{
			name, bad, g.Spread(p50), g.Spread(p99), g.Spread(func(s *contrastSample) float64 { return s.Max }),
		})
		groups[i] = g
	}
	without, with := groups[0], groups[1]
	c.Ratios = append(c.Ratios, contrastRatio{name, with.Ratio(without, p50), with.Ratio(without, p99)})
}

// table has a row for each system without and with, and for the ratio. The heading says what the mail for bad hosts is.
func (c *contrast) table(heading string) *report.Table {
	var t report.Table
	t.Row("system", heading, "p50 ms", "p99 ms", "max ms")
	for _, s := range c.Summary {
		with := "no"
		if s.Bad {
			with = "yes"
		}
		t.Row(s.System, with, s.P50, s.P99, report.Number(s.Max.Median))
	}
	for _, x := range c.Ratios {
		t.Row(x.System, "ratio", x.P50, x.P99, "")
	}
	return &t
}
