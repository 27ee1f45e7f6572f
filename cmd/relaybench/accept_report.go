//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"

	"tlsrelay/cmd/relaybench/report"
)

// acceptSummary is one system with one number of clients, over all rounds.
type acceptSummary struct {
	System       string        `json:"system"`
	Clients      int           `json:"clients"`
	PerSecond    report.Spread `json:"messages_per_second"`
	P50          report.Spread `json:"p50_ms"`
	P99          report.Spread `json:"p99_ms"`
	CPU          report.Spread `json:"cpu_us_per_message"`
	GeneratorCPU report.Spread `json:"generator_cpu_us_per_message"`
	Syncs        *float64      `json:"syncs_per_message,omitempty"`
	Written      report.Spread `json:"written_bytes_per_message"`
	IdleMemory   report.Spread `json:"idle_memory_bytes"`
	Memory       report.Spread `json:"memory_bytes"`
	PeakMemory   report.Spread `json:"peak_memory_bytes"`
}

// acceptRatio is one system divided by another: tlsrelay by the others, and by tlsrelay what it is while it signs.
type acceptRatio struct {
	Of        string        `json:"of"`
	To        string        `json:"to"`
	Clients   int           `json:"clients"`
	PerSecond report.Spread `json:"messages_per_second"`
	CPU       report.Spread `json:"cpu_per_message"`
}

// acceptReport is what --json prints.
type acceptReport struct {
	Machine    report.Machine      `json:"machine"`
	FileSystem any                 `json:"file_system"`
	TimerSlack time.Duration       `json:"timer_slack_ns"` // 0: as it is
	Messages   int                 `json:"messages"`
	Size       int                 `json:"size"`
	Rounds     int                 `json:"rounds"`
	Pipelining bool                `json:"pipelining"`
	Recipients int                 `json:"recipients"`
	Summary    []acceptSummary     `json:"summary"`
	Ratios     []acceptRatio       `json:"ratios"`
	NoSyncs    string              `json:"syncs_not_counted,omitempty"`
	Runs       report.Runs[sample] `json:"runs"`
	Totals     books               `json:"totals"`
	Problem    string              `json:"problem,omitempty"`
}

// of gives the runs of one system with one number of clients.
func (a *acceptRun) of(name string, clients int) report.Runs[sample] {
	return a.samples.Where(func(s *sample) bool { return s.System == name && s.Clients == clients })
}

func (a *acceptRun) summary() []acceptSummary {
	var all []acceptSummary
	for _, clients := range a.Clients {
		for _, name := range a.systems() {
			g := a.of(name, clients)
			s := acceptSummary{
				System: name, Clients: clients,
				PerSecond: g.Spread(perSecond), CPU: g.Spread(cpu),
				P50:          g.Spread(func(s *sample) float64 { return s.P50 }),
				P99:          g.Spread(func(s *sample) float64 { return s.P99 }),
				GeneratorCPU: g.Spread(generatorCPU),
				Written:      g.Spread(func(s *sample) float64 { return s.Written }),
				IdleMemory:   g.Spread(func(s *sample) float64 { b, _ := s.IdleMemory.Fair(); return float64(b) }),
				Memory:       g.Spread(func(s *sample) float64 { b, _ := s.Memory.Fair(); return float64(b) }),
				PeakMemory:   g.Spread(func(s *sample) float64 { return float64(s.Memory.Peak) }),
			}
			for _, c := range a.syncs {
				if c.System == name && c.Clients == clients {
					s.Syncs = &c.PerMessage
				}
			}
			all = append(all, s)
		}
	}
	return all
}

func (a *acceptRun) ratios() []acceptRatio {
	var all []acceptRatio
	names := a.systems()
	for _, clients := range a.Clients {
		for _, other := range names[1:] {
			over, under := names[0], other
			if strings.Contains(other, signing) {
				over, under = other, names[0]
			}
			of, to := a.of(over, clients), a.of(under, clients)
			all = append(all, acceptRatio{over, under, clients, of.Ratio(to, perSecond), of.Ratio(to, cpu)})
		}
	}
	return all
}

// totals adds up the books of all runs.
func (a *acceptRun) totals() books {
	var sum books
	for i := range a.samples {
		sum.merge(&a.samples[i].Books)
	}
	return sum
}

func (a *acceptRun) print() error {
	r := &acceptReport{
		Machine: report.ThisMachine(), FileSystem: a.bed.fs, TimerSlack: a.bed.slack,
		Messages: a.Messages, Size: a.Size, Rounds: a.Rounds, Pipelining: a.Pipelining, Recipients: a.Recipients,
		Summary: a.summary(), Ratios: a.ratios(), NoSyncs: a.noSyncs, Runs: a.samples, Totals: a.totals(),
	}
	if err := a.problem(); err != nil {
		r.Problem = err.Error()
	}
	return publish(a.std, a.JSON, r, r.page(a.bed))
}

// page gives it for people.
func (r *acceptReport) page(b *bed) *report.Page {
	var t, ratios report.Table
	t.Row("clients", "system", "messages/s", "p50 ms", "p99 ms", "CPU µs/msg", "syncs/msg", "bytes written/msg", "idle MB", "memory MB", "peak MB")
	for _, s := range r.Summary {
		syncs := "-"
		if s.Syncs != nil {
			syncs = report.Number(*s.Syncs)
		}
		t.Row(s.Clients, s.System, s.PerSecond, report.Number(s.P50.Median), report.Number(s.P99.Median), s.CPU, syncs,
			report.Number(s.Written.Median), report.Number(s.IdleMemory.Median/1e6),
			report.Number(s.Memory.Median/1e6), report.Number(s.PeakMemory.Median/1e6))
	}
	ratios.Row("clients", "system", "divided by", "messages/s", "CPU/msg")
	for _, x := range r.Ratios {
		ratios.Row(x.Clients, x.Of, x.To, x.PerSecond, x.CPU)
	}
	return &report.Page{
		Head: fmt.Sprintf("durable accept, delivery held, kept connections: %d messages of %d bytes a run, %d rounds in turn",
			r.Messages, r.Size, r.Rounds),
		Place: b.place(), Tables: []*report.Table{&t, &ratios}, Notes: r.notes(),
	}
}

func (r *acceptReport) notes() string {
	_, kind := r.Runs[0].Memory.Fair()
	syncs := "Syncs were counted in short runs of their own, under strace."
	if r.NoSyncs != "" {
		syncs = "Syncs were not counted: " + r.NoSyncs + "."
	}
	return fmt.Sprintf("Middle of the rounds, with the lowest and the highest. Ratios are taken round by round. CPU: user and system time of all\n"+
		"processes of the system; the load generator beside it took %v µs. Bytes written: write_bytes of /proc/PID/io.\n"+
		"Memory: %s with the clients connected, before and after the load; peak: VmHWM, summed over the processes.\n"+
		"%s\nSent %d, acknowledged %d, in the queue %d; missing %d, duplicates %d.\n", r.Runs.Spread(generatorCPU), kind, syncs,
		r.Totals.Sent, r.Totals.Acknowledged, r.Totals.Queued, len(r.Totals.Missing), len(r.Totals.Duplicates))
}
