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

type relayCommand struct {
	bedFlags
	Messages int   `default:"10000" help:"Messages of one run."`
	Size     int   `default:"4096" help:"Bytes of a message."`
	Clients  int   `default:"20" help:"Connections that hand messages in."`
	Rounds   int   `default:"3" help:"How often the systems take their turns."`
	TLS      bool  `name:"tls" help:"Only deliver over TLS."`
	Clear    bool  `help:"Only deliver in clear text, to a sink without STARTTLS."`
	Domains  []int `default:"1" help:"Domains that the recipients are spread over; each number is measured by itself."`

	Pipelining  bool    `help:"Hand in with MAIL, RCPT and DATA in one write, as MTAs do."`
	MinRatio    float64 `default:"0" help:"Exit code 1 if tlsrelay delivers fewer times the peer's messages a second, in any of the tables' rows."`
	MaxCPURatio float64 `name:"max-cpu-ratio" default:"0" help:"Exit code 1 if tlsrelay takes more times the peer's CPU time a message; 0: any."`
}

func (relayCommand) Help() string {
	return `Hands messages in and has them delivered to a sink, the whole way at once: over TLS, which is enforced, and in clear text, to
a sink that does not offer STARTTLS. The rate is that of delivered messages, from the first acknowledgement to the last arrival.
One domain is routed to the sink. Of more, each has an MX host and a loopback address of its own, in a DNS server of the bench;
a peer is told the addresses in a table. Every acknowledged message must arrive, once; if not, the exit code is 1.

Example: relaybench relay --peer postfix --domains 1,1000`
}

// check finds mistakes that the parser does not see.
func (c *relayCommand) check() error {
	errs := []error{
		between("messages", c.Messages, 1, mostMessages), between("size", c.Size, 1, mostSize),
		between("clients", c.Clients, 1, mostClients), between("rounds", c.Rounds, 1, mostRounds),
	}
	for _, n := range c.Domains {
		errs = append(errs, between("domains", n, 1, mostDomains))
	}
	if c.Peer == "none" && (c.MinRatio > 0 || c.MaxCPURatio > 0) {
		errs = append(errs, usageError{errors.New("--min-ratio and --max-cpu-ratio compare with a peer: add --peer postfix")})
	}
	if len(c.Domains) == 0 {
		errs = append(errs, usageError{errors.New("--domains: write numbers such as 1,1000")})
	}
	return errors.Join(errs...)
}

// way is a kind of delivery that is measured by itself.
type way struct {
	TLS     bool `json:"tls"`
	Domains int  `json:"domains"`
}

func (w way) String() string {
	if w.TLS {
		return "TLS"
	}
	return "clear"
}

// ways gives what is measured, in order.
func (c *relayCommand) ways() (all []way) {
	for _, domains := range c.Domains {
		if c.TLS || !c.Clear {
			all = append(all, way{true, domains})
		}
		if c.Clear || !c.TLS {
			all = append(all, way{false, domains})
		}
	}
	return all
}

func (c *relayCommand) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.on(ctx, std, c.Clients, c.Size, func(b *bed) error {
		r := &relayRun{relayCommand: c, bed: b, std: std}
		for _, w := range c.ways() {
			if err := r.measure(ctx, w); err != nil {
				return err
			}
		}
		return r.report()
	})
}

// relayRun is the command at work.
type relayRun struct {
	*relayCommand
	bed     *bed
	std     streams
	runs    report.Runs[relaySample]
	outcome outcome
}

// relaySample is what one run of one system gave.
type relaySample struct {
	System string `json:"system"`
	way
	Round       int     `json:"round"`
	PerSecond   float64 `json:"delivered_per_second"`
	Accepted    float64 `json:"accepted_per_second"`
	CPU         float64 `json:"cpu_us_per_message"`       // all processes of the system
	BenchCPU    float64 `json:"bench_cpu_us_per_message"` // load and sink
	Connections int64   `json:"connections_to_sink"`      // those of the warm-up included
	Tally       tally   `json:"books"`
}

// measure has the systems take turns.
func (r *relayRun) measure(ctx context.Context, w way) error {
	to, err := newNetwork(sink.Options{TLS: w.TLS}, w.Domains)
	if err != nil {
		return err
	}
	defer to.close()
	for round := range r.Rounds {
		for _, name := range r.names(false) {
			s := relaySample{System: name, way: w, Round: round + 1}
			if err := r.once(ctx, &s, to); err != nil {
				return fmt.Errorf("%s, %v, %d domains: %w", name, w, w.Domains, err)
			}
			r.runs = append(r.runs, s)
			r.outcome.book(fmt.Sprintf("%s, %v, %d domains, round %d", name, w, w.Domains, s.Round), &s.Tally)
			fmt.Fprintf(r.std.err, "%5v, %4d domains, round %d: %-8s %7.0f messages/s delivered, %4.0f µs CPU each\n",
				w, w.Domains, s.Round, name, s.PerSecond, s.CPU)
		}
	}
	return nil
}

// once runs one system with an empty queue.
func (r *relayRun) once(ctx context.Context, s *relaySample, to *network) error {
	opened := to.sink.Opened()
	c, l, err := r.bed.carry(ctx, plan{
		system: s.System, to: to, load: load.Options{Clients: r.Clients, Size: r.Size, Domains: s.Domains, Pipelining: r.Pipelining},
		warm: warmUp(r.Clients, r.Messages), count: r.Messages,
	}, newProgress(r.std.err, s.System))
	if err != nil {
		return err
	}
	n := float64(max(len(l.numbers), 1))
	s.Tally = c.Tally
	s.PerSecond, s.Accepted = n/max(l.ended.Sub(l.began).Seconds(), 1e-6), n/l.elapsed.Seconds()
	s.CPU, s.BenchCPU = micros(l.cpu)/n, micros(l.ownCPU)/n
	s.Connections = to.sink.Opened() - opened
	return nil
}

func micros(d time.Duration) float64 { return float64(d.Microseconds()) }
