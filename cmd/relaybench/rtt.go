//go:build linux

package main

import (
	"context"
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
	outcome
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

func (c *rttCommand) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.on(ctx, std, rttClients, c.Size, func(b *bed) error {
		rep := &rttReport{Machine: report.ThisMachine(), RoundTrip: c.Delay.Seconds() * 1000, Size: c.Size}
		for _, offer := range c.offers() {
			for _, name := range c.names(false) {
				s := rttSample{System: name, Offer: offer}
				if err := c.once(ctx, b, &s, newProgress(std.err, name)); err != nil {
					return fmt.Errorf("%s, %s: %w", name, offer, err)
				}
				rep.Runs = append(rep.Runs, s)
				rep.book(name+", "+offer, &s.Tally, s.crowd(), c.slow(&s))
				fmt.Fprintf(std.err, "%-10s %-8s %.1f messages/s\n", offer, name, s.PerSecond)
			}
		}
		return errors.Join(publish(std, c.JSON, rep, rep.page(c, b)), rep.err)
	})
}

// rttClients is how many connections hand messages in: the queue fills at once.
const rttClients = 5

// once runs one system.
func (c *rttCommand) once(ctx context.Context, b *bed, s *rttSample, told *progress) error {
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
	way, l, err := b.carry(ctx, plan{
		system: s.System, to: to, load: load.Options{Clients: rttClients, Size: c.Size}, warm: 1, count: c.Messages,
		tune: func(d *system.Delivery) { d.Host, d.PerHost = netip.MustParseAddrPort(far.Address()), 1 },
	}, told)
	if err != nil {
		return err
	}
	s.Connections, s.AtOnce, s.Tally = to.sink.Opened(), to.sink.Peak(), way.Tally
	if first, last := way.span(l); last.After(first) {
		each := last.Sub(first).Seconds() / float64(len(l.numbers)-1)
		s.PerSecond, s.RoundTrips = 1/each, each/c.Delay.Seconds()
	}
	return nil
}

// crowd says if there were too many connections. One may begin in the very moment in which another ends.
func (s *rttSample) crowd() error {
	if s.AtOnce > 2 {
		return fmt.Errorf("%d connections were open at once, where one was allowed", s.AtOnce)
	}
	return nil
}

// slow says if the bound that was given does not hold.
func (c *rttCommand) slow(s *rttSample) error {
	if s.System != "tlsrelay" {
		return nil
	}
	return atLeast("the rate", s.PerSecond, c.MinRate)
}

// page gives it for people.
func (rep *rttReport) page(c *rttCommand, b *bed) *report.Page {
	var t report.Table
	t.Row("the sink offers", "system", "messages", "delivered/s", "round trips/msg", "connections")
	for _, s := range rep.Runs {
		t.Row(s.Offer, s.System, s.Tally.Received, report.Number(s.PerSecond), report.Number(s.RoundTrips), s.Connections)
	}
	return &report.Page{
		Head:  fmt.Sprintf("messages of %d bytes over TLS and one connection, to a sink at %v", c.Size, c.Delay),
		Place: b.place(), Tables: []*report.Table{&t},
		Notes: "The rate begins with the second message to arrive, once the way is open. Connections: one after the other.\n" + rep.Totals.String(),
	}
}
