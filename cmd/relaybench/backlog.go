//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tlsrelay/cmd/relaybench/system"
)

type backlogCommand struct {
	bedFlags
	Messages     int           `default:"1000000" help:"Deferred messages, one recipient each."`
	PeerMessages int           `placeholder:"N" help:"Likewise for the peer. Default: a twentieth."`
	Domains      int           `default:"1000" help:"Domains that the recipients are spread over."`
	Size         int           `default:"4096" help:"Bytes of a message."`
	Clients      int           `default:"20" help:"Connections at once when the rate of accepting is measured."`
	Load         int           `default:"20000" placeholder:"N" help:"Messages of one such run."`
	Rounds       int           `default:"3" help:"How often the full queue and an empty one take turns."`
	SpaceWait    time.Duration `default:"15s" help:"How long to wait for the next piece of disk space to come back, once the queue is empty."`
	Drain        string        `enum:"delete,deliver" default:"delete" help:"How tlsrelay's queue is emptied: delete, or deliver to a sink over TLS."`
}

func (backlogCommand) Help() string {
	return `Fills the queue with messages that were tried once and deferred, then measures: memory, the time from start to ready after
an orderly stop and after kill -9 under load, the rate of accepting beside that of a server with an empty queue, and the disk
that the queue takes, before and after it is emptied. Every acknowledged message must be in the queue, once. A peer gets a
twentieth of the messages unless told otherwise: it takes that much longer.

Example: relaybench backlog --messages 1000000 --peer postfix`
}

func (c *backlogCommand) check() error {
	err := errors.Join(between("messages", c.Messages, 1, mostTaken), between("domains", c.Domains, 1, mostTaken),
		between("size", c.Size, 1, largestTaken), between("clients", c.Clients, 1, mostTakers), between("load", c.Load, 1, mostTaken),
		between("rounds", c.Rounds, 1, mostRounds))
	if c.PeerMessages != 0 {
		err = errors.Join(err, between("peer-messages", c.PeerMessages, 1, mostTaken))
	}
	if c.SpaceWait < 0 || c.SpaceWait > time.Hour {
		err = errors.Join(err, usageError{errors.New("--space-wait: write a time up to 1h")})
	}
	if c.PeerMessages == 0 {
		c.PeerMessages = max(c.Messages/20, 1)
	}
	return err
}

// fillClients is how many connections fill the queue; that is not measured.
const fillClients = 50

func (c *backlogCommand) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.on(ctx, std, max(c.Clients, fillClients), c.Size, func(b *bed) error {
		b.busy = true
		var results []*backlogResult
		for _, name := range c.names(false) {
			messages := c.Messages
			if name == c.Peer {
				messages = c.PeerMessages
			}
			r, err := c.measure(ctx, b, std, name, messages)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			results = append(results, r)
		}
		rep := newBacklogReport(c, b, results)
		err := publish(std, c.JSON, rep, rep.page(b))
		if rep.Problem != "" {
			err = errors.Join(err, errors.New(rep.Problem))
		}
		return err
	})
}

// measure takes one system through all stages.
func (c *backlogCommand) measure(ctx context.Context, b *bed, std streams, name string, messages int) (_ *backlogResult, err error) {
	sys, err := b.fresh(name, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sys.Close()) }()
	s := &stages{
		backlogCommand: c, bed: b, sys: sys.(system.Backlogger), progress: newProgress(std.err, name),
		out: &backlogResult{System: name, Messages: messages},
	}
	for _, stage := range []func(context.Context) error{s.fill, s.restart, s.crash, s.rates, s.compare, s.drain} {
		if err := stage(ctx); err != nil {
			return nil, err
		}
	}
	return s.out, nil
}
