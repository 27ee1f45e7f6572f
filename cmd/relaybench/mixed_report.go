//go:build linux

package main

import (
	"encoding/json"
	"fmt"

	"tlsrelay/cmd/relaybench/report"
)

// mixedSummary is one system over all rounds, with bad hosts or without.
type mixedSummary struct {
	System string        `json:"system"`
	Bad    bool          `json:"with_bad_hosts"`
	P50    report.Spread `json:"p50_ms"`
	P99    report.Spread `json:"p99_ms"`
	Max    report.Spread `json:"max_ms"`
}

// mixedRatio divides the times with bad hosts by those without.
type mixedRatio struct {
	System string        `json:"system"`
	P50    report.Spread `json:"p50"`
	P99    report.Spread `json:"p99"`
}

// mixedReport is what --json prints.
type mixedReport struct {
	Machine  report.Machine `json:"machine"`
	Messages int            `json:"messages"`
	Rate     float64        `json:"messages_per_second"`
	Domains  int            `json:"healthy_domains"`
	Size     int            `json:"size"`
	Summary  []mixedSummary `json:"summary"`
	Ratios   []mixedRatio   `json:"ratios"`
	Runs     []mixedSample  `json:"runs"`
	Totals   tally          `json:"totals"`
	Problem  string         `json:"problem,omitempty"`
}

// values gives one measure of one system, round by round.
func (m *mixedRun) values(name string, bad bool, of func(*mixedSample) float64) []float64 {
	var v []float64
	for i := range m.runs {
		if s := &m.runs[i]; s.System == name && s.Bad == bad {
			v = append(v, of(s))
		}
	}
	return v
}

// Measures of a mixedSample.
func p50(s *mixedSample) float64 { return s.P50 }
func p99(s *mixedSample) float64 { return s.P99 }

func (m *mixedRun) report() *mixedReport {
	rep := &mixedReport{
		Machine: report.ThisMachine(), Messages: m.Messages, Rate: m.Rate, Domains: m.Domains, Size: m.Size, Runs: m.runs,
	}
	for _, name := range m.names(false) {
		for _, bad := range []bool{false, true} {
			rep.Summary = append(rep.Summary, mixedSummary{
				name, bad, report.SpreadOf(m.values(name, bad, p50)...), report.SpreadOf(m.values(name, bad, p99)...),
				report.SpreadOf(m.values(name, bad, func(s *mixedSample) float64 { return s.Max })...),
			})
		}
		rep.Ratios = append(rep.Ratios, mixedRatio{
			name, report.Ratio(m.values(name, true, p50), m.values(name, false, p50)),
			report.Ratio(m.values(name, true, p99), m.values(name, false, p99)),
		})
	}
	for i := range m.runs {
		rep.Totals.merge(&m.runs[i].Tally)
	}
	if err := m.problem(); err != nil {
		rep.Problem = err.Error()
	}
	return rep
}

func (m *mixedRun) print() error {
	rep := m.report()
	if m.JSON {
		return json.NewEncoder(m.std.out).Encode(rep)
	}
	out := m.std.out
	fmt.Fprintf(out, "healthy mail over TLS, from one 250 to the other: %v messages of %d bytes a second to %d domains, %d rounds\n%s\n\n",
		m.Rate, m.Size, m.Domains, m.Rounds, m.bed.place())
	var t report.Table
	t.Row("system", "5 % to bad hosts", "p50 ms", "p99 ms", "max ms")
	for _, s := range rep.Summary {
		with := "no"
		if s.Bad {
			with = "yes"
		}
		t.Row(s.System, with, s.P50, s.P99, report.Number(s.Max.Median))
	}
	for _, x := range rep.Ratios {
		t.Row(x.System, "ratio", x.P50, x.P99, "")
	}
	if err := t.Write(out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nWhat is left in the queue is mail for bad hosts.\n%s", &rep.Totals)
	return err
}
