//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/proc"
	"tlsrelay/cmd/relaybench/system"
)

// stages is what one system goes through, in order.
type stages struct {
	*backlogCommand
	*progress
	bed  *bed
	sys  system.Backlogger
	next int // number of the next message
	out  *backlogResult
}

// Bounds of waiting.
const (
	stuck       = 2 * time.Minute  // without any progress work is given up
	crashAfter  = time.Second      // of load
	spaceReturn = 15 * time.Second // for the next piece of disk space
)

func (s *stages) options(clients int) load.Options {
	return load.Options{Address: s.sys.Address(), Clients: clients, Size: s.Size, First: s.next, Domains: s.Domains}
}

// fill hands in the messages and waits until all were tried.
func (s *stages) fill(ctx context.Context) error {
	if err := s.sys.Switch(ctx, system.Refuse); err != nil {
		return err
	}
	if err := s.sys.Start(ctx); err != nil {
		return err
	}
	o := s.options(fillClients)
	o.Pipelining = true
	pool, err := load.Dial(ctx, o)
	if err != nil {
		return err
	}
	defer pool.Close()
	began := time.Now()
	for left := s.out.Messages; left > 0; {
		part := min(left, max(1000, s.out.Messages/200))
		r, err := pool.Send(ctx, part)
		s.out.Books.add(r)
		if err != nil {
			return err
		}
		left -= part
		s.tick("%d of %d messages are in", s.out.Messages-left, s.out.Messages)
	}
	s.next += s.out.Messages
	s.out.AcceptSeconds = time.Since(began).Seconds()
	err = s.await(ctx, s.out.Messages, s.sys.Deferrals, "%d of %d messages are deferred")
	if err != nil {
		return err
	}
	s.out.FillSeconds = time.Since(began).Seconds()
	s.say("%d messages are deferred after %.0f s", s.out.Messages, s.out.FillSeconds)
	pool.Close()
	if err := s.rest(ctx); err != nil {
		return err
	}
	if s.out.Memory, err = s.sys.Session().Memory(); err != nil {
		return err
	}
	s.out.DiskFull, err = proc.DiskUse(s.sys.Dir())
	return err
}

// rest lets the system finish what it does on the side.
func (s *stages) rest(ctx context.Context) error { return sleep(ctx, 2*time.Second) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await waits until a count reaches a goal, as long as it grows.
func (s *stages) await(ctx context.Context, goal int, count func() (int, error), text string) error {
	best, since := -1, time.Now()
	for {
		n, err := count()
		if err != nil || n >= goal {
			return err
		}
		if n > best {
			best, since = n, time.Now()
		}
		if time.Since(since) > stuck {
			return fmt.Errorf(text+", and nothing has changed for %v", n, goal, stuck)
		}
		s.tick(text, n, goal)
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// restart measures an orderly stop and the start after it.
func (s *stages) restart(ctx context.Context) error {
	began := time.Now()
	if err := s.sys.Stop(); err != nil {
		return err
	}
	s.out.StopSeconds = time.Since(began).Seconds()
	var err error
	if s.out.StartSeconds, err = s.start(ctx); err != nil {
		return err
	}
	s.say("stopped in %.2f s, ready %.2f s after the start", s.out.StopSeconds, s.out.StartSeconds)
	if err := s.rest(ctx); err != nil {
		return err
	}
	s.out.RestartMemory, err = s.sys.Session().Memory()
	return err
}

// start gives the seconds from the start to the moment when the server takes mail.
func (s *stages) start(ctx context.Context) (float64, error) {
	began := time.Now()
	err := s.sys.Start(ctx)
	return time.Since(began).Seconds(), err
}

// crash kills all processes under load and measures the start after it.
func (s *stages) crash(ctx context.Context) error {
	pool, err := load.Dial(ctx, s.options(s.Clients))
	if err != nil {
		return err
	}
	defer pool.Close()
	const endless = 1_000_000
	killed := make(chan error, 1)
	late := time.AfterFunc(crashAfter, func() { killed <- s.sys.Kill() })
	r, err := pool.Send(ctx, endless)
	if late.Stop() { // it did not come to that
		return fmt.Errorf("the load before kill -9: %w", err)
	}
	if err := <-killed; err != nil {
		return err
	}
	if !errors.Is(err, load.ErrAllLost) {
		return fmt.Errorf("after kill -9 the load ended otherwise than by lost connections: %w", err)
	}
	s.next += endless
	lost := books{excused: s.Clients}
	lost.add(r)
	s.out.Books.merge(&lost)
	if s.out.KillSeconds, err = s.start(ctx); err != nil {
		return err
	}
	s.say("ready %.2f s after the start that followed kill -9 (%d messages taken before it, %d without an answer)",
		s.out.KillSeconds, r.Acknowledged, r.Unknown)
	return nil
}

// rates has the full queue and an empty one take turns in accepting, with delivery held.
func (s *stages) rates(ctx context.Context) error {
	if err := s.sys.Switch(ctx, system.Hold); err != nil {
		return err
	}
	for round := range s.Rounds {
		full := sample{System: s.sys.Name(), Clients: s.Clients, Round: round + 1}
		if err := full.run(ctx, s.sys, s.options(s.Clients), s.Load, nil); err != nil {
			return err
		}
		s.next += warmUp(s.Clients, s.Load) + s.Load
		s.out.Books.merge(&full.Books)
		full.Books = books{} // they are part of the whole
		empty := sample{System: s.sys.Name(), Clients: s.Clients, Round: round + 1}
		if err := s.beside(ctx, &empty); err != nil {
			return fmt.Errorf("with an empty queue: %w", err)
		}
		s.out.Full, s.out.Empty = append(s.out.Full, full), append(s.out.Empty, empty)
		s.say("accepts %.0f messages/s; %.0f with an empty queue", full.PerSecond, empty.PerSecond)
	}
	return nil
}

// beside measures another server of the same kind, whose queue is empty. The first one idles meanwhile.
func (s *stages) beside(ctx context.Context, to *sample) (err error) {
	sys, err := s.bed.fresh(s.sys.Name(), "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sys.Close()) }()
	if err := sys.Start(ctx); err != nil {
		return err
	}
	o := s.options(s.Clients)
	o.Address = sys.Address()
	if err := to.run(ctx, sys, o, s.Load, nil); err != nil {
		return err
	}
	return to.Books.compare(ctx, sys)
}

// compare looks for every acknowledged message in the queue, and counts the deferred ones.
func (s *stages) compare(ctx context.Context) error {
	s.say("comparing %d acknowledged messages with the queue", s.out.Books.Acknowledged)
	return s.out.Books.compare(ctx, s.sys)
}
