//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/report"
	"tlsrelay/cmd/relaybench/system"
)

type acceptCommand struct {
	bedFlags
	Clients    []int    `default:"1,20,100" help:"Connections at once; each number is measured by itself."`
	Messages   int      `default:"20000" help:"Messages of one run."`
	Size       int      `default:"4096" help:"Bytes of a message."`
	Rounds     int      `default:"3" help:"How often the systems take their turns."`
	Bare       bool     `default:"true" negatable:"" help:"Measure the bare server, too."`
	Syncs      bool     `default:"true" negatable:"" help:"Count syncs, in short runs under strace."`
	Pipelining bool     `help:"Send MAIL, RCPT and DATA in one write, as MTAs do."`
	Dkim       []string `enum:"ed25519,rsa" help:"Measure tlsrelay also while it signs with a key of this type: ed25519 or rsa. Can be repeated."`
	Recipients int      `default:"1" help:"Different recipients that take turns; 0: each message has its own."`
}

func (acceptCommand) Help() string {
	return `Hands messages over kept connections to tlsrelay, to a peer, and to a bare server that appends to one file: the limit to
approach. All sync before they say 250, and none delivers meanwhile. They take turns, each time with an empty queue on the
same file system. At the end every acknowledged message must be in the queue, once; if not, the exit code is 1.

Example: relaybench accept --peer postfix --clients 1,20,100 --dkim ed25519,rsa`
}

// systems gives what is measured, in turn: first tlsrelay, and right after it those that sign.
func (c *acceptCommand) systems() []string {
	names := c.names(c.Bare)
	for i, key := range c.Dkim {
		names = slices.Insert(names, 1+i, names[0]+signing+key)
	}
	return names
}

// check finds mistakes that the parser does not see.
func (c *acceptCommand) check() error {
	errs := []error{
		between("messages", c.Messages, 1, mostTaken), between("size", c.Size, 1, largestTaken), between("rounds", c.Rounds, 1, mostRounds),
	}
	if len(c.Clients) == 0 || slices.Min(c.Clients) < 1 || slices.Max(c.Clients) > mostTakers {
		errs = append(errs, usageError{fmt.Errorf("--clients: write numbers from 1 to %d, such as 1,20,100", mostTakers)})
	}
	if len(c.Dkim) > len(slices.Compact(slices.Sorted(slices.Values(c.Dkim)))) {
		errs = append(errs, usageError{errors.New("--dkim: name each type once")})
	}
	if c.Recipients < 0 {
		errs = append(errs, usageError{errors.New("--recipients: write 0 or more")})
	}
	return errors.Join(errs...)
}

func (c *acceptCommand) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.on(ctx, std, slices.Max(c.Clients), c.Size, func(b *bed) error {
		a := &acceptRun{acceptCommand: c, bed: b, std: std}
		if err := a.measure(ctx); err != nil {
			return err
		}
		if err := a.countSyncs(ctx); err != nil {
			return err
		}
		return errors.Join(a.print(), a.problem())
	})
}

// acceptRun is the command at work.
type acceptRun struct {
	*acceptCommand
	bed     *bed
	std     streams
	samples report.Runs[sample]
	syncs   []syncCount
	noSyncs string // why they were not counted
}

// measure has the systems take turns.
func (a *acceptRun) measure(ctx context.Context) error {
	for _, clients := range a.Clients {
		for round := range a.Rounds {
			for _, name := range a.systems() {
				s := sample{System: name, Clients: clients, Round: round + 1}
				if err := a.once(ctx, &s, "", a.Messages, nil); err != nil {
					return fmt.Errorf("%s with %d clients: %w", name, clients, err)
				}
				a.samples = append(a.samples, s)
				fmt.Fprintf(a.std.err, "%3d clients, round %d: %-16s %7.0f messages/s, %4.0f µs CPU each\n",
					clients, s.Round, name, s.PerSecond, s.CPU)
			}
		}
	}
	return nil
}

// once runs one system with an empty queue. around, if given, is called right before and right after the load.
func (a *acceptRun) once(ctx context.Context, s *sample, trace string, messages int, around func() error) (err error) {
	sys, err := a.bed.fresh(s.System, trace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sys.Close()) }()
	if err := sys.Start(ctx); err != nil {
		return err
	}
	err = s.run(ctx, sys, load.Options{
		Address: sys.Address(), Clients: s.Clients, Size: a.Size, Recipients: a.Recipients, Pipelining: a.Pipelining,
	}, messages, around)
	if err != nil {
		return err
	}
	if strings.Contains(s.System, signing) {
		if err := sys.(*system.Relay).Signed(ctx, s.Books.ids[0]); err != nil {
			return err
		}
	}
	return s.Books.compare(ctx, sys)
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
		for _, name := range a.systems() {
			s := sample{System: name, Clients: clients}
			trace := filepath.Join(a.bed.dir, "syncs")
			var counts []int
			err := a.once(ctx, &s, trace, messages, func() error {
				n, err := system.Syncs(trace)
				counts = append(counts, n)
				return err
			})
			if err == nil {
				err = s.Books.problem()
			}
			if err != nil {
				return fmt.Errorf("%s with %d clients under strace: %w", name, clients, err)
			}
			count := syncCount{name, clients, float64(counts[1]-counts[0]) / float64(messages)}
			a.syncs = append(a.syncs, count)
			fmt.Fprintf(a.std.err, "%3d clients: %-16s %.3f syncs a message\n", clients, name, count.PerMessage)
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
