//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/report"
	"tlsrelay/cmd/relaybench/sink"
)

type latencyCommand struct {
	bedFlags
	Rate    float64 `default:"5" help:"Messages a second."`
	Seconds int     `default:"20" help:"How long messages are handed in, in one run."`
	Size    int     `default:"4096" help:"Bytes of a message."`
	Rounds  int     `default:"1" help:"How often the systems take their turns."`

	MaxP50 time.Duration `name:"max-p50" default:"0s" help:"Exit code 1 if tlsrelay's median is longer in any round; 0s: any."`
	MaxP99 time.Duration `name:"max-p99" default:"0s" help:"Exit code 1 if tlsrelay's 99th percentile is longer in any round; 0s: any."`
}

func (latencyCommand) Help() string {
	return `Hands in few messages, one after the other over one connection, and has them delivered over TLS: how long is each on its way,
from the 250 that acknowledges it until the sink has answered 250, both by one clock? A few messages go ahead and open the
connection to the sink; whether it is kept is the system's affair. Every message must arrive, once; if not, the exit code is 1.

Example: relaybench latency --rate 5 --seconds 20 --peer postfix`
}

func (c *latencyCommand) check() error {
	return errors.Join(rateIn("rate", c.Rate), between("seconds", c.Seconds, 1, 3600), between("size", c.Size, 1, mostSize),
		between("rounds", c.Rounds, 1, mostRounds))
}

// latencySample is what one run of one system gave.
type latencySample struct {
	System string `json:"system"`
	Round  int    `json:"round"`
	waits
	CPU         float64 `json:"cpu_us_per_message"`
	Connections int64   `json:"connections_to_sink"`
	Tally       tally   `json:"books"`
}

// latencyReport is what --json prints.
type latencyReport struct {
	Machine report.Machine  `json:"machine"`
	Rate    float64         `json:"messages_per_second"`
	Size    int             `json:"size"`
	Runs    []latencySample `json:"runs"`
	outcome
}

func (c *latencyCommand) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.on(ctx, std, 1, c.Size, func(b *bed) error {
		rep := &latencyReport{Machine: report.ThisMachine(), Rate: c.Rate, Size: c.Size}
		for round := range c.Rounds {
			for _, name := range c.names(false) {
				s := latencySample{System: name, Round: round + 1}
				if err := c.once(ctx, b, &s, newProgress(std.err, name)); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				rep.Runs = append(rep.Runs, s)
				rep.book(fmt.Sprintf("%s, round %d", name, s.Round), &s.Tally, c.late(name, s.waits))
				fmt.Fprintf(std.err, "round %d: %-8s p50 %.1f ms, p99 %.1f ms\n", s.Round, name, s.P50, s.P99)
			}
		}
		return errors.Join(publish(std, c.JSON, rep, rep.page(b)), rep.err)
	})
}

// once runs one system.
func (c *latencyCommand) once(ctx context.Context, b *bed, s *latencySample, told *progress) error {
	to, err := newNetwork(sink.Options{TLS: true}, 1)
	if err != nil {
		return err
	}
	defer to.close()
	way, l, err := b.carry(ctx, plan{
		system: s.System, to: to, load: load.Options{Clients: 1, Size: c.Size}, warm: 3, count: c.messages(), rate: c.Rate,
	}, told)
	if err != nil {
		return err
	}
	s.waits, s.CPU, s.Connections, s.Tally = way.waits(l), micros(l.cpu)/float64(max(1, len(l.numbers))), to.sink.Opened(), way.Tally
	return nil
}

// messages is how many one run has.
func (c *latencyCommand) messages() int { return max(1, int(c.Rate*float64(c.Seconds))) }

// late says which of the bounds that were given does not hold.
func (c *latencyCommand) late(system string, w waits) error {
	if system != "tlsrelay" {
		return nil
	}
	return errors.Join(atMost("the median in ms", w.P50, c.MaxP50.Seconds()*1000), atMost("the 99th percentile in ms", w.P99, c.MaxP99.Seconds()*1000))
}

// page gives it for people.
func (rep *latencyReport) page(b *bed) *report.Page {
	var t report.Table
	t.Row("round", "system", "messages", "p50 ms", "p99 ms", "max ms", "CPU µs/msg", "connections")
	for _, s := range rep.Runs {
		t.Row(s.Round, s.System, s.Messages, report.Number(s.P50), report.Number(s.P99), report.Number(s.Max), report.Number(s.CPU), s.Connections)
	}
	return &report.Page{
		Head:  fmt.Sprintf("%v messages of %d bytes a second, over TLS, from one 250 to the other", rep.Rate, rep.Size),
		Place: b.place(), Tables: []*report.Table{&t},
		Notes: "Connections: to the sink, those of the first messages included, which are not measured.\n" + rep.Totals.String(),
	}
}
