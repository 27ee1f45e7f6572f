//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"tlsrelay/cmd/relaybench/delay"
	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/report"
	"tlsrelay/cmd/relaybench/sink"
	"tlsrelay/cmd/relaybench/system"
)

type rttCommand struct {
	bedFlags
	Delay      time.Duration `default:"100ms" help:"Round trip to the sink, half of it in each direction."`
	Messages   int           `default:"60" help:"Messages of one run."`
	Size       int           `default:"4096" help:"Bytes of a message."`
	Chunking   bool          `help:"Only with a sink that offers CHUNKING (and PIPELINING)."`
	Pipelining bool          `help:"Only with a sink that offers PIPELINING, but no CHUNKING."`
	MinRate    float64       `default:"0" help:"Exit code 1 if tlsrelay delivers fewer messages a second."`
}

func (rttCommand) Help() string {
	return `Has messages delivered over TLS and one connection to a sink that is far away: a proxy keeps all that is sent for half a round
trip in each direction, however much is on the way at once. The rate is that of arrivals, from the first to the last: with one
round trip a message at 100 ms it is 10 a second. Every message must arrive, once, and one connection after the other; if not,
the exit code is 1.

Example: relaybench rtt --delay 100ms --messages 60`
}

func (c *rttCommand) check() error {
	err := errors.Join(between("messages", c.Messages, 2, mostMessages), between("size", c.Size, 1, mostSize))
	if c.Delay <= 0 || c.Delay > 10*time.Second {
		err = errors.Join(err, usageError{errors.New("--delay: write a time up to 10s, such as 100ms")})
	}
	return err
}

// rttSample is what one run of one system gave.
type rttSample struct {
	System      string  `json:"system"`
	Offer       string  `json:"offer"`
	PerSecond   float64 `json:"delivered_per_second"`
	RoundTrips  float64 `json:"round_trips_per_message"`
	Connections int64   `json:"connections_to_sink"`
	AtOnce      int     `json:"connections_at_once"`
	Tally       tally   `json:"books"`
}

// rttReport is what --json prints.
type rttReport struct {
	Machine   report.Machine `json:"machine"`
	RoundTrip float64        `json:"round_trip_ms"`
	Size      int            `json:"size"`
	Runs      []rttSample    `json:"runs"`
	Totals    tally          `json:"totals"`
	Problem   string         `json:"problem,omitempty"`
}

// offers are the sinks to deliver to.
func (c *rttCommand) offers() (all []string) {
	if c.Chunking || !c.Pipelining {
		all = append(all, "CHUNKING")
	}
	if c.Pipelining || !c.Chunking {
		all = append(all, "PIPELINING")
	}
	return all
}

func (c *rttCommand) Run(ctx context.Context, std streams) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	b, err := c.prepare(ctx, rttClients, c.Size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	fmt.Fprintf(std.err, "on %s\n", b.place())
	rep := &rttReport{Machine: report.ThisMachine(), RoundTrip: c.Delay.Seconds() * 1000, Size: c.Size}
	var problems []error
	for _, offer := range c.offers() {
		for _, name := range c.names(false) {
			s := rttSample{System: name, Offer: offer}
			if err := c.once(ctx, b, &s, newProgress(std.err, name)); err != nil {
				return fmt.Errorf("%s, %s: %w", name, offer, err)
			}
			err := s.problem()
			if name == "tlsrelay" {
				err = errors.Join(err, atLeast("the rate", s.PerSecond, c.MinRate))
			}
			if err != nil {
				problems = append(problems, fmt.Errorf("%s, %s: %w", name, offer, err))
			}
			rep.Runs = append(rep.Runs, s)
			rep.Totals.merge(&s.Tally)
			fmt.Fprintf(std.err, "%-10s %-8s %.1f messages/s\n", offer, name, s.PerSecond)
		}
	}
	return rep.finish(c, b, std, errors.Join(problems...))
}

// rttClients is how many connections hand messages in: the queue fills at once.
const rttClients = 5

// once runs one system.
func (c *rttCommand) once(ctx context.Context, b *bed, s *rttSample, told *progress) (err error) {
	to, err := newNetwork(sink.Options{TLS: true, Chunking: s.Offer == "CHUNKING"}, 1)
	if err != nil {
		return err
	}
	defer to.close()
	far, err := delay.Listen(to.sink.Address(), c.Delay)
	if err != nil {
		return err
	}
	defer far.Close()
	way, err := b.start(ctx, plan{
		system: s.System, to: to, load: load.Options{Clients: rttClients, Size: c.Size}, warm: 1,
		tune: func(d *system.Delivery) { d.Host, d.PerHost = netip.MustParseAddrPort(far.Address()), 1 },
	}, told)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	l, err := way.send(ctx, c.Messages, 0)
	if err != nil {
		return err
	}
	if err := way.account(ctx); err != nil {
		return err
	}
	s.Connections, s.AtOnce, s.Tally = to.sink.Opened(), to.sink.Peak(), way.Tally
	if first, last := way.span(l); last.After(first) {
		each := last.Sub(first).Seconds() / float64(len(l.numbers)-1)
		s.PerSecond, s.RoundTrips = 1/each, each/c.Delay.Seconds()
	}
	return nil
}

// problem says what does not add up. One connection may begin in the very moment in which another ends.
func (s *rttSample) problem() error {
	err := s.Tally.problem()
	if s.AtOnce > 2 {
		err = errors.Join(err, fmt.Errorf("%d connections were open at once, where one was allowed", s.AtOnce))
	}
	return err
}

// finish prints the report and gives the problem, if there is one.
func (rep *rttReport) finish(c *rttCommand, b *bed, std streams, problem error) error {
	if problem != nil {
		rep.Problem = problem.Error()
	}
	if c.JSON {
		return errors.Join(json.NewEncoder(std.out).Encode(rep), problem)
	}
	fmt.Fprintf(std.out, "messages of %d bytes over TLS and one connection, to a sink at %v\n%s\n\n", c.Size, c.Delay, b.place())
	var t report.Table
	t.Row("the sink offers", "system", "messages", "delivered/s", "round trips/msg", "connections")
	for _, s := range rep.Runs {
		t.Row(s.Offer, s.System, s.Tally.Received, report.Number(s.PerSecond), report.Number(s.RoundTrips), s.Connections)
	}
	err := t.Write(std.out)
	fmt.Fprintf(std.out, "\nThe rate begins with the second message to arrive, once the way is open. Connections: one after the other.\n%s", &rep.Totals)
	return errors.Join(err, problem)
}
