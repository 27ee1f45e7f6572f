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
	"tlsrelay/cmd/relaybench/system"
)

type mixedCommand struct {
	bedFlags
	Messages int     `default:"10000" help:"Messages of one run, the slow ones included."`
	Rate     float64 `default:"250" help:"Messages a second, the slow ones included."`
	Domains  int     `default:"380" help:"Healthy domains. To each 19 of them comes a bad one."`
	Size     int     `default:"4096" help:"Bytes of a message."`
	Clients  int     `default:"20" help:"Connections that hand messages in."`
	Rounds   int     `default:"1" help:"How often the runs take their turns."`
	MaxRatio float64 `default:"0" help:"Exit code 1 if tlsrelay's 99th percentile with bad hosts is more times that without; 0: any."`
}

func (mixedCommand) Help() string {
	return `Does mail to healthy domains wait for mail to bad ones? 95 % of the messages go to healthy domains, 5 % to hosts that answer an
octet a second, accept connections and never speak, do not even accept them, or refuse them, in equal shares. Each domain has an
MX host and a loopback address of its own. The time is that of the healthy mail, from the 250 that acknowledges it until the sink
has answered 250; and beside it, in the same run, that of the same mail without the 5 %. All healthy mail must arrive, once, and
the rest be in the queue; if not, the exit code is 1.

Example: relaybench mixed --messages 10000 --rate 250 --rounds 3`
}

func (c *mixedCommand) check() error {
	return errors.Join(between("messages", c.Messages, 20, mostMessages), rateIn("rate", c.Rate), between("domains", c.Domains, 19, mostDomains),
		between("size", c.Size, 1, mostSize), between("clients", c.Clients, 1, mostClients), between("rounds", c.Rounds, 1, mostRounds))
}

// mixedReport is what --json prints.
type mixedReport struct {
	Machine  report.Machine `json:"machine"`
	Messages int            `json:"messages"`
	Rate     float64        `json:"messages_per_second"`
	Domains  int            `json:"healthy_domains"`
	Size     int            `json:"size"`
	contrast
}

func (c *mixedCommand) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.on(ctx, std, c.Clients, c.Size, func(b *bed) error {
		rep := &mixedReport{Machine: report.ThisMachine(), Messages: c.Messages, Rate: c.Rate, Domains: c.Domains, Size: c.Size}
		err := rep.measure(ctx, c.Rounds, c.names(false), "bad hosts", std.err, func(ctx context.Context, s *contrastSample) error {
			return c.once(ctx, b, s, newProgress(std.err, s.System))
		})
		if err != nil {
			return err
		}
		rep.fail(ratioAtMost("the ratio of the 99th percentiles", rep.Ratios[0].P99.Median, c.MaxRatio))
		return errors.Join(publish(std, c.JSON, rep, rep.page(c, b)), rep.err)
	})
}

// once runs one system. Its mail for bad hosts is tried again when the run is over, as with the waits of real life.
func (c *mixedCommand) once(ctx context.Context, b *bed, s *contrastSample, told *progress) error {
	const share = 0.95
	to, err := newNetwork(sink.Options{TLS: true}, c.Domains)
	if err != nil {
		return err
	}
	defer to.close()
	messages, rate := int(share*float64(c.Messages)), share*c.Rate
	if s.Bad {
		messages, rate = c.Messages, c.Rate
		if err := to.addBad(c.Domains / 19); err != nil {
			return err
		}
	}
	all := len(to.domains)
	way, l, err := b.carry(ctx, plan{
		system: s.System, to: to, load: load.Options{Clients: c.Clients, Size: c.Size, Domains: all}, count: messages, rate: rate,
		matters: func(number int) bool { return number%all < c.Domains },
		tune:    func(d *system.Delivery) { d.Retry = 5 * time.Minute },
	}, told)
	if err != nil {
		return err
	}
	s.waits, s.Tally = way.waits(l), way.Tally
	return nil
}

// page gives it for people.
func (rep *mixedReport) page(c *mixedCommand, b *bed) *report.Page {
	return &report.Page{
		Head: fmt.Sprintf("healthy mail over TLS, from one 250 to the other: %v messages of %d bytes a second to %d domains, %d rounds",
			c.Rate, c.Size, c.Domains, c.Rounds),
		Place: b.place(), Tables: []*report.Table{rep.table("5 % to bad hosts")},
		Notes: "What is left in the queue is mail for bad hosts.\n" + rep.Totals.String(),
	}
}
