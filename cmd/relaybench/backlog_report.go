//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"

	"tlsrelay/cmd/relaybench/proc"
	"tlsrelay/cmd/relaybench/report"
)

// backlogResult is what one system gave.
type backlogResult struct {
	System   string `json:"system"`
	Messages int    `json:"messages"` // that were filled in

	AcceptSeconds float64     `json:"accept_seconds"` // to take them, while they are tried
	FillSeconds   float64     `json:"fill_seconds"`   // until all were tried
	Memory        proc.Memory `json:"memory_bytes"`   // with all messages deferred
	DiskFull      int64       `json:"disk_bytes"`

	StopSeconds   float64     `json:"stop_seconds"`
	StartSeconds  float64     `json:"start_seconds"` // to ready, after an orderly stop
	RestartMemory proc.Memory `json:"memory_after_restart_bytes"`
	KillSeconds   float64     `json:"start_after_kill_seconds"`

	Full     report.Runs[sample] `json:"with_backlog"`
	Empty    report.Runs[sample] `json:"with_empty_queue"`
	Ratio    report.Spread       `json:"with_backlog_divided_by_empty"`
	RatioCPU report.Spread       `json:"cpu_with_backlog_divided_by_empty"`

	Drain        string  `json:"drain"`
	DrainSeconds float64 `json:"drain_seconds"`
	DiskBefore   int64   `json:"disk_before_drain_bytes"`
	DiskDrained  int64   `json:"disk_after_drain_bytes"`
	SpaceSeconds float64 `json:"space_seconds"` // until the space was back, after the queue was empty
	Left         int     `json:"left_in_queue,omitempty"`

	Books       books `json:"books"`
	Received    int   `json:"received_by_sink,omitempty"`
	Undelivered []int `json:"undelivered,omitempty"`
	Doubles     []int `json:"delivered_twice,omitempty"`
}

// backlogReport is what --json prints.
type backlogReport struct {
	Machine    report.Machine   `json:"machine"`
	FileSystem proc.FileSystem  `json:"file_system"`
	TimerSlack time.Duration    `json:"timer_slack_ns"` // 0: as it is
	Size       int              `json:"size"`
	Domains    int              `json:"domains"`
	Clients    int              `json:"clients"`
	Load       int              `json:"load"`
	Systems    []*backlogResult `json:"systems"`
	Problem    string           `json:"problem,omitempty"`
}

func newBacklogReport(c *backlogCommand, b *bed, results []*backlogResult) *backlogReport {
	r := &backlogReport{
		Machine: report.ThisMachine(), FileSystem: b.fs, TimerSlack: b.slack,
		Size: c.Size, Domains: c.Domains, Clients: c.Clients, Load: c.Load, Systems: results,
	}
	for _, s := range results {
		s.Ratio, s.RatioCPU = s.Full.Ratio(s.Empty, perSecond), s.Full.Ratio(s.Empty, cpu)
		if err := s.problem(); err != nil {
			r.Problem += err.Error() + "\n"
		}
	}
	return r
}

// page has a column for each system.
func (r *backlogReport) page(b *bed) *report.Page {
	return &report.Page{
		Head:  fmt.Sprintf("backlog of deferred messages of %d bytes, one recipient each, %d domains", r.Size, r.Domains),
		Place: b.place(), Tables: []*report.Table{r.table()}, Notes: r.notes(),
	}
}

func (r *backlogReport) table() *report.Table {
	var t report.Table
	row := func(name string, of func(*backlogResult) any) {
		cells := []any{name}
		for _, s := range r.Systems {
			cells = append(cells, of(s))
		}
		t.Row(cells...)
	}
	megabytes := func(n int64) string { return report.Number(float64(n) / 1e6) }
	row("", func(s *backlogResult) any { return s.System })
	row("messages deferred", func(s *backlogResult) any { return s.Messages })
	row("taken and tried, messages/s", func(s *backlogResult) any { return report.Number(float64(s.Messages) / s.FillSeconds) })
	row("resident memory (VmRSS), MB", func(s *backlogResult) any { return megabytes(s.Memory.RSS) })
	row("shared pages once (PSS), MB", func(s *backlogResult) any { return megabytes(s.Memory.PSS) })
	row("at most so far (VmHWM), MB", func(s *backlogResult) any { return megabytes(s.Memory.Peak) })
	row("orderly stop, s", func(s *backlogResult) any { return report.Number(s.StopSeconds) })
	row("start to ready after it, s", func(s *backlogResult) any { return report.Number(s.StartSeconds) })
	row("resident memory then, MB", func(s *backlogResult) any { return megabytes(s.RestartMemory.RSS) })
	row("most memory during that start, MB", func(s *backlogResult) any { return megabytes(s.RestartMemory.Peak) })
	row("start to ready after kill -9, s", func(s *backlogResult) any { return report.Number(s.KillSeconds) })
	row("accepts with the backlog, messages/s", func(s *backlogResult) any { return s.Full.Spread(perSecond) })
	row("accepts with an empty queue, messages/s", func(s *backlogResult) any { return s.Empty.Spread(perSecond) })
	row("backlog divided by empty", func(s *backlogResult) any { return s.Ratio })
	row("the same for CPU a message", func(s *backlogResult) any { return s.RatioCPU })
	row("disk with the backlog, MB", func(s *backlogResult) any { return megabytes(s.DiskFull) })
	row("of it for each message, bytes", func(s *backlogResult) any { return s.DiskFull / int64(s.Messages) })
	row("disk before emptying, MB", func(s *backlogResult) any { return megabytes(s.DiskBefore) })
	row("emptied by", func(s *backlogResult) any { return s.Drain })
	row("emptied in, s", func(s *backlogResult) any { return report.Number(s.DrainSeconds) })
	row("disk then, MB", func(s *backlogResult) any { return megabytes(s.DiskDrained) })
	row("after another, s", func(s *backlogResult) any { return report.Number(s.SpaceSeconds) })
	return &t
}

func (r *backlogReport) notes() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Accepting: %d clients, %d messages a run, delivery held, in turn with another server of the same kind whose queue is\n"+
		"empty. kill -9 came under such a load. Files were in the page cache at the starts.\n", r.Clients, r.Load)
	for _, s := range r.Systems {
		fmt.Fprintf(&b, "%s: sent %d, acknowledged %d, in the queue %d (%d deferred); missing %d, not acknowledged %d, left at the end %d",
			s.System, s.Books.Sent, s.Books.Acknowledged, s.Books.Queued, s.Books.Deferred,
			len(s.Books.Missing), len(s.Books.Duplicates), s.Left)
		if s.Drain == "deliver" {
			fmt.Fprintf(&b, "; delivered %d, undelivered %d, twice %d", s.Received, len(s.Undelivered), len(s.Doubles))
		}
		b.WriteString(".\n")
	}
	return b.String()
}
