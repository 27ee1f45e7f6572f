//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"

	"tlsrelay/cmd/relaybench/report"
)

// idleReport is what --json prints.
type idleReport struct {
	Machine   report.Machine `json:"machine"`
	TLS       bool           `json:"tls"`
	Clients   int            `json:"clients"`
	PerClient int64          `json:"bytes_per_idle_client"`
	Stages    []*stage       `json:"stages"`
	Sent      int            `json:"messages"`
	Problem   string         `json:"problem,omitempty"`
}

// perClient is what one idle client adds to the memory that the relay has without any.
func (r *idleRun) perClient(s *stage) int64 {
	with, _ := s.Memory.Fair()
	without, _ := r.stages[0].Memory.Fair()
	return (with - without) / int64(r.Clients)
}

// stage gives one by its name; it is there after measure.
func (r *idleRun) stage(name string) *stage {
	for _, s := range r.stages {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// problem says which of the bounds that were given do not hold.
func (r *idleRun) problem() error {
	var errs []error
	if m := r.stage("idle").Memory; r.MaxMemory > 0 && m.RSS > r.MaxMemory*1e6 {
		errs = append(errs, fmt.Errorf("the relay holds %d MB with %d idle clients, more than %d", m.RSS/1e6, r.Clients, r.MaxMemory))
	}
	for _, s := range r.stages {
		if bound := r.MaxP99.Seconds() * 1000; r.MaxP99 > 0 && s.P99 > bound {
			errs = append(errs, fmt.Errorf("%s: the 99th percentile is %.0f ms, more than %v", s.Name, s.P99, r.MaxP99))
		}
	}
	return errors.Join(errs...)
}

func (r *idleRun) print() error {
	rep := &idleReport{
		Machine: report.ThisMachine(), TLS: r.TLS, Clients: r.Clients, PerClient: r.perClient(r.stage("idle")), Stages: r.stages, Sent: r.sent,
	}
	if err := r.problem(); err != nil {
		rep.Problem = err.Error()
	}
	return publish(r.std, r.JSON, rep, r.page(rep))
}

// page gives it for people.
func (r *idleRun) page(rep *idleReport) *report.Page {
	kind := "in clear text"
	if r.TLS {
		kind = "in TLS"
	}
	var t report.Table
	_, measure := r.stages[0].Memory.Fair()
	t.Row("stage", "idle clients", measure+" MB", "RSS MB", "messages", "p50 ms", "p99 ms", "max ms")
	for _, s := range r.stages {
		fair, _ := s.Memory.Fair()
		t.Row(s.Name, s.Clients, report.Number(float64(fair)/1e6), report.Number(float64(s.Memory.RSS)/1e6), s.Messages,
			report.Number(s.P50), report.Number(s.P99), report.Number(s.Max))
	}
	opening := time.Duration(r.stage("connecting").Seconds * float64(time.Second)).Round(10 * time.Millisecond)
	return &report.Page{
		Head:  fmt.Sprintf("%d idle clients %s; an honest one hands in a message of %d bytes at a time", r.Clients, kind, r.Size),
		Place: r.bed.place(), Tables: []*report.Table{&t},
		Notes: fmt.Sprintf("An idle client costs %.1f KB. All connected within %v. Times are from connecting to the 250. Memory is measured at the\n"+
			"start of a stage, %v after the one before, and while clients connect at the end. %d messages, all in the queue.\n",
			float64(rep.PerClient)/1e3, opening, calm, rep.Sent),
	}
}
