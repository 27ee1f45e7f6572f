//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/proc"
	"tlsrelay/cmd/relaybench/system"
)

// course is the whole way of mail through one system: from the load, which stands for an application, to the sink of a network.
type course struct {
	sys      system.System
	pool     *load.Pool
	got      *arrivals
	progress *progress
	Tally    tally

	acked map[int]time.Time // when the 250 of a message was read
}

// leg is a number of messages on a course, and what that took.
type leg struct {
	numbers []int
	began   time.Time     // the first acknowledgement
	ended   time.Time     // the last arrival
	elapsed time.Duration // of handing in
	cpu     time.Duration // all processes of the system
	ownCPU  time.Duration // load and sink
}

// plan says what takes part in a course.
type plan struct {
	system  string
	to      *network
	load    load.Options
	warm    int                   // messages that go ahead, so that all processes are there, and connections too
	count   int                   // messages that are measured
	rate    float64               // of those, a second; 0: as many as the system takes
	matters func(number int) bool // which messages are waited for; nil: all
	tune    func(*system.Delivery)
}

// carry takes a plan from start to end, the accounts included.
func (b *bed) carry(ctx context.Context, p plan, told *progress) (_ *course, _ *leg, err error) {
	c, err := b.start(ctx, p, told)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	l, err := c.send(ctx, p.count, p.rate)
	if err != nil {
		return nil, nil, err
	}
	return c, l, c.account(ctx)
}

// start has a fresh system ready to deliver, with the load's connections open. The caller closes the course.
func (b *bed) start(ctx context.Context, p plan, told *progress) (_ *course, err error) {
	d, err := p.to.delivery()
	if err != nil {
		return nil, err
	}
	if p.tune != nil {
		p.tune(d)
	}
	c := &course{progress: told.quiet(), got: newArrivals(p.matters), acked: map[int]time.Time{}}
	if c.sys, err = b.delivering(p.system, d); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	p.to.expect(c.got)
	// The load's thread waits within its own system call and keeps its place in the scheduler: the sink gets one more.
	runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	if err = b.flush(); err != nil {
		return nil, err
	}
	if err = c.sys.Start(ctx); err != nil {
		return nil, err
	}
	p.load.Address, p.load.Acknowledged = c.sys.Address(), c.acknowledged
	if c.pool, err = load.Dial(ctx, p.load); err != nil {
		return nil, err
	}
	if p.warm > 0 {
		_, err = c.send(ctx, p.warm, 0)
	}
	return c, err
}

func (c *course) acknowledged(number int, at time.Time) {
	c.acked[number] = at // on the goroutine that sends
}

// close stops the system. What it has under way to bad hosts is cut off.
func (c *course) close() error {
	if c.pool != nil {
		c.pool.Close()
	}
	return errors.Join(c.sys.Kill(), c.sys.Close())
}

// send hands in messages, and waits until those that matter have come. rate is how many a second; 0: as many as the system takes.
func (c *course) send(ctx context.Context, messages int, rate float64) (*leg, error) {
	session := c.sys.Session()
	before, err := session.Usage()
	if err != nil {
		return nil, err
	}
	own, began := proc.Self(), time.Now()
	l := &leg{}
	if err := c.hand(ctx, l, messages, rate); err != nil {
		return nil, err
	}
	l.elapsed = time.Since(began)
	if err := c.arrive(ctx); err != nil {
		return nil, err
	}
	if err := sleep(ctx, settle); err != nil { // the last deliveries are written down, a duplicate comes
		return nil, err
	}
	after, err := session.Usage()
	if err != nil {
		return nil, err
	}
	l.cpu, l.ownCPU = after.Sub(before).CPU, proc.Self()-own
	_, l.ended = c.got.here()
	for i, n := range l.numbers {
		if at := c.acked[n]; i == 0 || at.Before(l.began) {
			l.began = at
		}
	}
	return l, nil
}

// beat is how often messages are handed in when there is a rate.
const beat = 10 * time.Millisecond

// hand gives the system its messages.
func (c *course) hand(ctx context.Context, l *leg, messages int, rate float64) error {
	for began, sent := time.Now(), 0; sent < messages; {
		part := messages - sent
		if rate > 0 {
			due := min(messages, 1+int(rate*time.Since(began).Seconds()))
			part = due - sent
		}
		if part > 0 {
			r, err := c.pool.Send(ctx, part)
			c.Tally.add(r)
			l.numbers = append(l.numbers, r.Numbers()...)
			if err != nil {
				return err
			}
			sent += part
			c.progress.tick("%d of %d messages are handed in", sent, messages)
			continue
		}
		if err := sleep(ctx, min(beat, time.Duration(float64(time.Second)/rate))); err != nil {
			return err
		}
	}
	return nil
}

// patience is how long nothing may come before no more is waited for: longer than a system waits for a host that does not answer.
const patience = time.Minute

// arrive waits until all acknowledged messages that matter have come, as long as any do. That some do not is told by the tally.
func (c *course) arrive(ctx context.Context) error {
	goal := 0
	for n := range c.acked {
		if c.got.matters(n) {
			goal++
		}
	}
	for best, since := -1, time.Now(); time.Since(since) < patience; {
		n, _ := c.got.here()
		if n >= goal {
			return nil
		}
		if n > best {
			best, since = n, time.Now()
		}
		c.progress.tick("%d of %d messages are delivered", n, goal)
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// account looks where all messages of the course are, once they have had time to come.
func (c *course) account(ctx context.Context) error {
	left, err := c.queued(ctx)
	if err != nil {
		return err
	}
	t := &c.Tally
	t.Received, _ = c.got.count()
	t.Doubles = c.got.doubles()
	if err := c.got.problem(); err != nil {
		t.Strange = err.Error()
	}
	for n := range left {
		if c.got.matters(n) {
			t.stuck = append(t.stuck, n)
		}
	}
	t.Left = len(left) - len(t.stuck)
	for n := range c.acked {
		if _, came := c.got.at(n); !came && !left[n] {
			t.Missing = append(t.Missing, n)
		}
	}
	slices.Sort(t.Missing)
	return nil
}

// queued gives the numbers in the queue, once it holds none that matter, or after a while.
func (c *course) queued(ctx context.Context) (map[int]bool, error) {
	const tries = 20
	for try := 1; ; try++ {
		left, waiting := map[int]bool{}, false
		err := c.sys.Queue(ctx, func(m system.Queued) error {
			n := load.RecipientNumber(m.Recipient)
			left[n] = true
			waiting = waiting || c.got.matters(n)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading the queue of %s: %w", c.sys.Name(), err)
		}
		if !waiting || try == tries {
			return left, nil
		}
		if err := sleep(ctx, settle); err != nil {
			return nil, err
		}
	}
}
