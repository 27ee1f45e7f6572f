//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/proc"
	"tlsrelay/cmd/relaybench/system"
)

type acceptCommand struct {
	bedFlags
	Clients    []int `default:"1,20,100" help:"Connections at once; each number is measured by itself."`
	Messages   int   `default:"20000" help:"Messages of one run."`
	Size       int   `default:"4096" help:"Bytes of a message."`
	Rounds     int   `default:"3" help:"How often the systems take their turns."`
	Bare       bool  `default:"true" negatable:"" help:"Measure the bare server, too."`
	Syncs      bool  `default:"true" negatable:"" help:"Count syncs, in short runs under strace."`
	Pipelining bool  `help:"Send MAIL, RCPT and DATA in one write, as MTAs do."`
	Recipients int   `default:"1" help:"Different recipients that take turns; 0: each message has its own."`
}

func (acceptCommand) Help() string {
	return `Hands messages over kept connections to tlsrelay, to a peer, and to a bare server that appends to one file: the limit to
approach. All sync before they say 250, and none delivers meanwhile. They take turns, each time with an empty queue on the
same file system. At the end every acknowledged message must be in the queue, once; if not, the exit code is 1.

Example: relaybench accept --peer postfix --clients 1,20,100`
}

// check finds mistakes that the parser does not see.
func (c *acceptCommand) check() error {
	const mostClients, mostMessages, mostSize = 10_000, 100_000_000, 500_000_000
	switch {
	case len(c.Clients) == 0 || slices.Min(c.Clients) < 1 || slices.Max(c.Clients) > mostClients:
		return usageError{fmt.Errorf("--clients: write numbers from 1 to %d, such as 1,20,100", mostClients)}
	case c.Messages < 1 || c.Messages > mostMessages:
		return usageError{fmt.Errorf("--messages: write a number from 1 to %d", mostMessages)}
	case c.Size < 1 || c.Size > mostSize:
		return usageError{fmt.Errorf("--size: write a number from 1 to %d", mostSize)}
	case c.Rounds < 1 || c.Rounds > 100:
		return usageError{errors.New("--rounds: write a number from 1 to 100")}
	case c.Recipients < 0:
		return usageError{errors.New("--recipients: write 0 or more")}
	}
	return nil
}

func (c *acceptCommand) Run(ctx context.Context, std streams) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	b, err := c.prepare(ctx, slices.Max(c.Clients), c.Size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	a := &acceptRun{acceptCommand: c, bed: b, std: std}
	fmt.Fprintf(std.err, "on %s\n", b.place())
	if err := a.measure(ctx); err != nil {
		return err
	}
	if err := a.countSyncs(ctx); err != nil {
		return err
	}
	if err := a.print(); err != nil {
		return err
	}
	return a.problem()
}

// acceptRun is the command at work.
type acceptRun struct {
	*acceptCommand
	bed     *bed
	std     streams
	samples []sample
	syncs   []syncCount
	noSyncs string // why they were not counted
}

// sample is one run of one system.
type sample struct {
	System  string `json:"system"`
	Clients int    `json:"clients"`
	Round   int    `json:"round"`

	PerSecond    float64 `json:"messages_per_second"`
	Seconds      float64 `json:"seconds"`
	P50          float64 `json:"p50_ms"` // from MAIL to the 250
	P99          float64 `json:"p99_ms"`
	CPU          float64 `json:"cpu_us_per_message"` // all processes of the system
	GeneratorCPU float64 `json:"generator_cpu_us_per_message"`
	Written      float64 `json:"written_bytes_per_message"` // write_bytes of /proc/PID/io
	IdleMemory   int64   `json:"idle_memory_bytes"`         // before the first message, clients connected
	Memory       int64   `json:"memory_bytes"`              // after the last message, clients connected
	MemoryKind   string  `json:"memory_kind"`
	PeakMemory   int64   `json:"peak_memory_bytes"` // VmHWM, summed
	Books        books   `json:"books"`
}

// measure has the systems take turns.
func (a *acceptRun) measure(ctx context.Context) error {
	for _, clients := range a.Clients {
		for round := range a.Rounds {
			for _, name := range a.names(a.Bare) {
				s := sample{System: name, Clients: clients, Round: round + 1}
				if err := a.once(ctx, &s, "", a.Messages, nil); err != nil {
					return fmt.Errorf("%s with %d clients: %w", name, clients, err)
				}
				a.samples = append(a.samples, s)
				fmt.Fprintf(a.std.err, "%3d clients, round %d: %-8s %7.0f messages/s, %4.0f µs CPU each\n",
					clients, s.Round, name, s.PerSecond, s.CPU)
			}
		}
	}
	return nil
}

// warmUp is what a system gets before the clock starts: all its processes are there then, and its caches filled.
func warmUp(clients int) int { return max(200, 10*clients) }

// settle is how long a system may take to finish after the last answer; what it consumes then counts.
const settle = 200 * time.Millisecond

// once runs one system with an empty queue. around, if given, is called right before and right after the load.
func (a *acceptRun) once(ctx context.Context, s *sample, trace string, messages int, around func() error) (err error) {
	sys, remove, err := a.bed.fresh(s.System, trace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := sys.Start(ctx); err != nil {
		return err
	}
	pool, err := load.Dial(ctx, load.Options{
		Address: sys.Address(), Clients: s.Clients, Size: a.Size, Recipients: a.Recipients, Pipelining: a.Pipelining,
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	idle, err := sys.Session().Memory()
	if err != nil {
		return err
	}
	s.IdleMemory = idle.Bytes
	warm, err := pool.Send(ctx, warmUp(s.Clients))
	if err != nil {
		return err
	}
	s.Books.add(warm)
	if err := s.load(ctx, sys, pool, messages, around); err != nil {
		return err
	}
	return s.Books.compare(ctx, sys)
}

// load sends the messages that count and takes the measures.
func (s *sample) load(ctx context.Context, sys system.System, pool *load.Pool, messages int, around func() error) error {
	if around == nil {
		around = func() error { return nil }
	}
	time.Sleep(settle)
	if err := around(); err != nil {
		return err
	}
	before, err := sys.Session().Usage()
	if err != nil {
		return err
	}
	own := proc.Self()
	r, err := pool.Send(ctx, messages)
	own = proc.Self() - own
	if err != nil {
		return err
	}
	time.Sleep(settle)
	after, err := sys.Session().Usage()
	if err != nil {
		return err
	}
	memory, err := sys.Session().Memory()
	if err != nil {
		return err
	}
	s.Books.add(r)
	s.fill(r, after.Sub(before), own, memory)
	return around()
}

func (s *sample) fill(r *load.Result, used proc.Usage, own time.Duration, memory proc.Memory) {
	n := float64(max(r.Acknowledged, 1))
	s.PerSecond, s.Seconds = r.PerSecond(), r.Elapsed.Seconds()
	s.P50 = r.Latency(0.50).Seconds() * 1000
	s.P99 = r.Latency(0.99).Seconds() * 1000
	s.CPU = float64(used.CPU.Microseconds()) / n
	s.GeneratorCPU = float64(own.Microseconds()) / n
	s.Written = float64(used.Written) / n
	s.Memory, s.MemoryKind, s.PeakMemory = memory.Bytes, memory.Kind, memory.Peak
}

// syncCount is the outcome of a short run under strace.
type syncCount struct {
	System     string  `json:"system"`
	Clients    int     `json:"clients"`
	PerMessage float64 `json:"syncs_per_message"`
}

// countSyncs has each system run once more under strace, which slows it: nothing else is measured there.
func (a *acceptRun) countSyncs(ctx context.Context) error {
	if !a.Syncs {
		a.noSyncs = "--no-syncs"
		return nil
	}
	if err := system.CanTrace(); err != nil {
		a.noSyncs = err.Error()
		return nil
	}
	messages := min(a.Messages, 2000)
	for _, clients := range a.Clients {
		for _, name := range a.names(a.Bare) {
			s := sample{System: name, Clients: clients}
			trace := filepath.Join(a.bed.dir, "syncs")
			var counts []int
			err := a.once(ctx, &s, trace, messages, func() error {
				n, err := system.Syncs(trace)
				counts = append(counts, n)
				return err
			})
			if err != nil {
				return fmt.Errorf("%s with %d clients under strace: %w", name, clients, err)
			}
			count := syncCount{name, clients, float64(counts[1]-counts[0]) / float64(messages)}
			a.syncs = append(a.syncs, count)
			fmt.Fprintf(a.std.err, "%3d clients: %-8s %.3f syncs a message\n", clients, name, count.PerMessage)
		}
	}
	return nil
}

// problem says for which runs the books do not add up.
func (a *acceptRun) problem() error {
	var errs []error
	for _, s := range a.samples {
		if err := s.Books.problem(); err != nil {
			errs = append(errs, fmt.Errorf("%s with %d clients, round %d: %w", s.System, s.Clients, s.Round, err))
		}
	}
	return errors.Join(errs...)
}
