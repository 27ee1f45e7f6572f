//go:build linux

package main

import (
	"encoding/json"
	"fmt"

	"tlsrelay/cmd/relaybench/report"
)

// relaySummary is one system on one way, over all rounds.
type relaySummary struct {
	System string `json:"system"`
	way
	PerSecond   report.Spread `json:"delivered_per_second"`
	Accepted    report.Spread `json:"accepted_per_second"`
	CPU         report.Spread `json:"cpu_us_per_message"`
	BenchCPU    report.Spread `json:"bench_cpu_us_per_message"`
	Connections report.Spread `json:"connections_to_sink"`
}

// relayRatio is tlsrelay divided by the peer.
type relayRatio struct {
	To string `json:"to"`
	way
	PerSecond report.Spread `json:"delivered_per_second"`
	CPU       report.Spread `json:"cpu_per_message"`
}

// relayReport is what --json prints.
type relayReport struct {
	Machine    report.Machine `json:"machine"`
	FileSystem any            `json:"file_system"`
	Messages   int            `json:"messages"`
	Size       int            `json:"size"`
	Clients    int            `json:"clients"`
	Pipelining bool           `json:"pipelining"`
	Rounds     int            `json:"rounds"`
	Summary    []relaySummary `json:"summary"`
	Ratios     []relayRatio   `json:"ratios"`
	Runs       []relaySample  `json:"runs"`
	Totals     tally          `json:"totals"`
	Problem    string         `json:"problem,omitempty"`
}

// values gives one measure of one system on one way, round by round.
func (r *relayRun) values(name string, w way, of func(*relaySample) float64) []float64 {
	var v []float64
	for i := range r.runs {
		if s := &r.runs[i]; s.System == name && s.way == w {
			v = append(v, of(s))
		}
	}
	return v
}

// Measures of a relaySample.
func deliveredPerSecond(s *relaySample) float64 { return s.PerSecond }
func deliveryCPU(s *relaySample) float64        { return s.CPU }

func (r *relayRun) report() *relayReport {
	rep := &relayReport{
		Machine: report.ThisMachine(), FileSystem: r.bed.fs, Messages: r.Messages, Size: r.Size, Clients: r.Clients, Pipelining: r.Pipelining,
		Rounds: r.Rounds,
		Runs:   r.runs, Ratios: r.ratios(),
	}
	for _, w := range r.ways() {
		for _, name := range r.names(false) {
			spread := func(of func(*relaySample) float64) report.Spread { return report.SpreadOf(r.values(name, w, of)...) }
			rep.Summary = append(rep.Summary, relaySummary{
				System: name, way: w, PerSecond: spread(deliveredPerSecond), CPU: spread(deliveryCPU),
				Accepted:    spread(func(s *relaySample) float64 { return s.Accepted }),
				BenchCPU:    spread(func(s *relaySample) float64 { return s.BenchCPU }),
				Connections: spread(func(s *relaySample) float64 { return float64(s.Connections) }),
			})
		}
	}
	for i := range r.runs {
		rep.Totals.merge(&r.runs[i].Tally)
	}
	if err := r.problem(); err != nil {
		rep.Problem = err.Error()
	}
	return rep
}

func (r *relayRun) ratios() (all []relayRatio) {
	names := r.names(false)
	for _, w := range r.ways() {
		for _, peer := range names[1:] {
			ratio := func(of func(*relaySample) float64) report.Spread {
				return report.Ratio(r.values(names[0], w, of), r.values(peer, w, of))
			}
			all = append(all, relayRatio{peer, w, ratio(deliveredPerSecond), ratio(deliveryCPU)})
		}
	}
	return all
}

func (r *relayRun) print() error {
	rep := r.report()
	if r.JSON {
		return json.NewEncoder(r.std.out).Encode(rep)
	}
	return rep.write(r)
}

// write prints the tables.
func (rep *relayReport) write(r *relayRun) error {
	out := r.std.out
	fmt.Fprintf(out, "accepted and delivered: %d messages of %d bytes a run, %d clients, %d rounds in turn\n%s\n\n",
		rep.Messages, rep.Size, rep.Clients, rep.Rounds, r.bed.place())
	var t report.Table
	t.Row("domains", "way", "system", "delivered/s", "accepted/s", "CPU µs/msg", "load and sink µs/msg", "connections")
	for _, s := range rep.Summary {
		t.Row(s.Domains, s.way, s.System, s.PerSecond, report.Number(s.Accepted.Median), s.CPU, report.Number(s.BenchCPU.Median),
			report.Number(s.Connections.Median))
	}
	if err := t.Write(out); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if len(rep.Ratios) > 0 {
		var ratios report.Table
		ratios.Row("domains", "way", "tlsrelay divided by", "delivered/s", "CPU/msg")
		for _, x := range rep.Ratios {
			ratios.Row(x.Domains, x.way, x.To, x.PerSecond, x.CPU)
		}
		if err := ratios.Write(out); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	_, err := fmt.Fprintf(out, "Middle of the rounds, with the lowest and the highest. Ratios are taken round by round. CPU: user and system time of all\n"+
		"processes of the system. Connections: to the sink, those of the warm-up included.\n%s", &rep.Totals)
	return err
}
