//go:build linux

package main

import (
	"errors"
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
	outcome
}

// Measures of a relaySample.
func deliveredPerSecond(s *relaySample) float64 { return s.PerSecond }
func deliveryCPU(s *relaySample) float64        { return s.CPU }

// report sums up, prints, and gives the problem, if there is one.
func (r *relayRun) report() error {
	rep := &relayReport{
		Machine: report.ThisMachine(), FileSystem: r.bed.fs, Messages: r.Messages, Size: r.Size, Clients: r.Clients,
		Pipelining: r.Pipelining, Rounds: r.Rounds, Runs: r.runs,
	}
	for _, w := range r.ways() {
		r.sumUp(rep, w)
	}
	for _, x := range rep.Ratios {
		what := fmt.Sprintf("%v, %d domains, divided by %s: ", x.way, x.Domains, x.To)
		r.outcome.fail(errors.Join(atLeast(what+"messages a second", x.PerSecond.Median, r.MinRatio),
			atMost(what+"CPU time a message", x.CPU.Median, r.MaxCPURatio)))
	}
	rep.outcome = r.outcome
	return errors.Join(publish(r.std, r.JSON, rep, rep.page(r.bed)), rep.err)
}

// sumUp adds the systems on one way, and the ratios of the first to the others.
func (r *relayRun) sumUp(rep *relayReport, w way) {
	var first report.Runs[relaySample]
	for i, name := range r.names(false) {
		g := r.runs.Where(func(s *relaySample) bool { return s.System == name && s.way == w })
		rep.Summary = append(rep.Summary, relaySummary{
			System: name, way: w, PerSecond: g.Spread(deliveredPerSecond), CPU: g.Spread(deliveryCPU),
			Accepted:    g.Spread(func(s *relaySample) float64 { return s.Accepted }),
			BenchCPU:    g.Spread(func(s *relaySample) float64 { return s.BenchCPU }),
			Connections: g.Spread(func(s *relaySample) float64 { return float64(s.Connections) }),
		})
		if i == 0 {
			first = g
			continue
		}
		rep.Ratios = append(rep.Ratios, relayRatio{name, w, first.Ratio(g, deliveredPerSecond), first.Ratio(g, deliveryCPU)})
	}
}

// page gives it for people.
func (rep *relayReport) page(b *bed) *report.Page {
	var t, ratios report.Table
	t.Row("domains", "way", "system", "delivered/s", "accepted/s", "CPU µs/msg", "load and sink µs/msg", "connections")
	for _, s := range rep.Summary {
		t.Row(s.Domains, s.way, s.System, s.PerSecond, report.Number(s.Accepted.Median), s.CPU, report.Number(s.BenchCPU.Median),
			report.Number(s.Connections.Median))
	}
	ratios.Row("domains", "way", "tlsrelay divided by", "delivered/s", "CPU/msg")
	for _, x := range rep.Ratios {
		ratios.Row(x.Domains, x.way, x.To, x.PerSecond, x.CPU)
	}
	return &report.Page{
		Head: fmt.Sprintf("accepted and delivered: %d messages of %d bytes a run, %d clients, %d rounds in turn",
			rep.Messages, rep.Size, rep.Clients, rep.Rounds),
		Place: b.place(), Tables: []*report.Table{&t, &ratios},
		Notes: "Middle of the rounds, with the lowest and the highest. Ratios are taken round by round. CPU: user and system time of all\n" +
			"processes of the system. Connections: to the sink, those of the warm-up included.\n" + rep.Totals.String(),
	}
}
