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

func (c *mixedCommand) Run(ctx context.Context, std streams) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	b, err := c.prepare(ctx, c.Clients, c.Size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	m := &mixedRun{mixedCommand: c, bed: b, std: std}
	fmt.Fprintf(std.err, "on %s\n", b.place())
	for round := range c.Rounds {
		for _, name := range c.names(false) {
			for _, bad := range []bool{false, true} {
				s := mixedSample{System: name, Round: round + 1, Bad: bad}
				if err := m.once(ctx, &s); err != nil {
					return fmt.Errorf("%s: %w", s.what(), err)
				}
				m.runs = append(m.runs, s)
				fmt.Fprintf(std.err, "round %d: %-26s p50 %.1f ms, p99 %.1f ms\n", s.Round, s.what(), s.P50, s.P99)
			}
		}
	}
	return errors.Join(m.print(), m.problem())
}

// mixedRun is the command at work.
type mixedRun struct {
	*mixedCommand
	bed  *bed
	std  streams
	runs []mixedSample
}

// mixedSample is what one run of one system gave.
type mixedSample struct {
	System string `json:"system"`
	Round  int    `json:"round"`
	Bad    bool   `json:"with_bad_hosts"`
	waits
	Tally tally `json:"books"`
}

func (s *mixedSample) what() string {
	if s.Bad {
		return s.System + " with bad hosts"
	}
	return s.System + " without"
}

// once runs one system. Its mail for bad hosts is tried again when the run is over, as with the waits of real life.
func (m *mixedRun) once(ctx context.Context, s *mixedSample) (err error) {
	const share = 0.95
	to, err := newNetwork(sink.Options{TLS: true}, m.Domains)
	if err != nil {
		return err
	}
	defer to.close()
	messages, rate := int(share*float64(m.Messages)), share*m.Rate
	if s.Bad {
		messages, rate = m.Messages, m.Rate
		if err := to.addBad(m.Domains / 19); err != nil {
			return err
		}
	}
	all := len(to.domains)
	c, err := m.bed.start(ctx, plan{
		system: s.System, to: to, load: load.Options{Clients: m.Clients, Size: m.Size, Domains: all},
		matters: func(number int) bool { return number%all < m.Domains },
		tune:    func(d *system.Delivery) { d.Retry = 5 * time.Minute },
	}, newProgress(m.std.err, s.System))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	l, err := c.send(ctx, messages, rate)
	if err != nil {
		return err
	}
	if err := c.account(ctx); err != nil {
		return err
	}
	s.waits, s.Tally = c.waits(l), c.Tally
	return nil
}

// problem says for which runs the books do not add up.
func (m *mixedRun) problem() error {
	var errs []error
	for _, s := range m.runs {
		if err := s.Tally.problem(); err != nil {
			errs = append(errs, fmt.Errorf("%s, round %d: %w", s.what(), s.Round, err))
		}
	}
	ratio := report.Ratio(m.values("tlsrelay", true, p99), m.values("tlsrelay", false, p99))
	return errors.Join(append(errs, atMost("the ratio of the 99th percentiles", ratio.Median, m.MaxRatio))...)
}
