package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
)

// dice is chance for several goroutines.
type dice struct {
	mu     sync.Mutex
	source *rand.Rand
}

func (d *dice) n(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.source.IntN(n)
}

func (d *dice) upTo(most time.Duration) time.Duration { return time.Duration(d.n(int(most))) }

// TestNothingIsStranded has operators, a bad disk, slow hosts and a clock that is set again and again meddle with a queue for
// two days. Then all is quiet: each job must be tried within the longest time a wrong clock may cost, and looked at no oftener than tried.
func TestNothingIsStranded(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				c := newChaos(t, dir, seed)
				c.meddle(t)
				c.quiet.Store(true)

				began := time.Now()
				time.Sleep(17 * time.Hour) // a clamped hint, put back once, is at most twice twice the longest pause away
				c.wantTried(t, began)
				claims, attempts := c.disk.claims.Load(), c.attempts()
				time.Sleep(48 * time.Hour)
				claims, attempts = c.disk.claims.Load()-claims, c.attempts()-attempts
				if attempts < 200 || claims > int64(attempts) {
					t.Errorf("%d attempts in the end, for %d looks at jobs", attempts, claims)
				}
				c.stop()
			})
		})
	}
}

type chaos struct {
	*station
	*dice
	disk  *meddler
	step  atomic.Int64 // how far the clock is off
	quiet atomic.Bool
	ids   []queue.ID
}

func newChaos(t *testing.T, dir string, seed uint64) *chaos {
	c := &chaos{dice: &dice{source: rand.New(rand.NewPCG(seed, 7))}}
	c.disk = &meddler{Store: openSpool(t, dir)}
	trouble := func() error {
		if !c.quiet.Load() && c.n(30) == 0 {
			return errDisk
		}
		return nil
	}
	c.disk.claim = func(queue.JobKey) error { return trouble() }
	c.disk.commit = func(b *queue.Batch) error {
		if len(b.Update) == 0 {
			return nil
		}
		c.slow(2 * time.Minute) // the claims are held
		return trouble()
	}
	host := &remote{outcome: func(queue.Job) queue.Outcome {
		c.slow(10 * time.Minute)
		return oldTLS
	}}
	c.station = prepare(c.disk, host, func() time.Time { return time.Now().Round(0).Add(time.Duration(c.step.Load())) })
	c.lifetime = 100 * 365 * 24 * time.Hour
	c.run(t)
	for i := range 20 {
		to := func(n int) string { return fmt.Sprintf("b@d%d.test", (i+n)%8) }
		c.ids = append(c.ids, c.enqueueFor(t, c.now().Add(c.upTo(20*time.Hour)), 0, "", to(0), to(1), to(3), to(0)))
	}
	return c
}

func (c *chaos) slow(most time.Duration) {
	if !c.quiet.Load() {
		time.Sleep(c.upTo(most))
	}
}

func (c *chaos) meddle(t *testing.T) {
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 24 {
				time.Sleep(c.upTo(4 * time.Hour))
				ctx, cancel := context.WithTimeout(context.Background(), c.upTo(time.Minute))
				at := c.n(len(c.ids) - 4)
				c.Retry(ctx, c.ids[at:at+c.n(5)]) // it may fail
				cancel()
			}
		})
	}
	wg.Go(func() {
		steps := []time.Duration{time.Minute, time.Hour, 20 * time.Hour, 400 * 24 * time.Hour}
		for range 10 {
			time.Sleep(c.upTo(9 * time.Hour))
			by := c.upTo(steps[c.n(len(steps))])
			if c.n(2) == 0 {
				by = -by
			}
			c.step.Add(int64(by))
		}
	})
	wg.Wait()
}

// wantTried fails if a job was not tried since the given time.
func (c *chaos) wantTried(t *testing.T, since time.Time) {
	tried := map[queue.JobKey]bool{}
	c.remote.mu.Lock()
	for _, a := range c.remote.diary {
		if a.at.After(since) {
			tried[queue.JobKey{ID: a.id, Destination: a.destination}] = true
		}
	}
	c.remote.mu.Unlock()
	jobs, _, err := c.store.Jobs(context.Background(), 0, 1000)
	if err != nil || len(jobs) != 3*len(c.ids) {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	for _, j := range jobs {
		if !tried[j.JobKey] {
			t.Errorf("message %v for %s, due %v, is forgotten", j.ID, j.Destination, j.Due)
		}
	}
}

func (c *chaos) attempts() int {
	c.remote.mu.Lock()
	defer c.remote.mu.Unlock()
	return len(c.remote.diary)
}
