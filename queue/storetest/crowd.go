package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"tlsrelay/queue"
)

// RunCrowd has several walks as in [RunRandom] at once on one store, each with messages of its own, and the power go for all
// of them, in each of several rounds. Others list what is there meanwhile.
func RunCrowd(t *testing.T, machine func(t *testing.T) Machine, seeds, rounds int) {
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := &crowd{T: t, machine: machine(t), dice: rand.New(rand.NewPCG(uint64(seed), 7))}
			for i := range 5 {
				c.walks = append(c.walks, newWalk(t, c.machine, seed, i))
			}
			c.open()
			for range rounds {
				c.round()
			}
			if err := c.store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

type crowd struct {
	*testing.T
	machine Machine
	store   queue.Store
	dice    *rand.Rand
	walks   []*walk
}

func (c *crowd) open() {
	var err error
	if c.store, err = c.machine.Open(); err != nil {
		c.Fatal(err)
	}
	for _, w := range c.walks {
		w.store = c.store
	}
}

// round has all walk until the power goes, and compares what is found then with what each of them knows.
func (c *crowd) round() {
	if c.dice.IntN(4) > 0 {
		c.machine.Fail(c.machine.Ops()+c.dice.IntN(400), -1, errPower)
	}
	var walks, lists sync.WaitGroup
	var over atomic.Bool
	lists.Go(func() {
		for !over.Load() {
			c.list()
		}
	})
	for _, w := range c.walks {
		walks.Go(func() {
			for w.step = 0; w.step < 60 && !w.stopped && !c.Failed(); w.step++ {
				w.next()
			}
		})
	}
	walks.Wait()
	over.Store(true)
	lists.Wait()
	c.machine.PowerCut(Keep(c.dice.IntN(3)))
	c.store.Close()
	c.open()
	c.compare()
}

func (c *crowd) list() {
	if _, err := scanAll(c.store, 20); err != nil {
		c.Errorf("scan: %v", err)
	}
	if _, err := allJobs(c.store, 20); err != nil {
		c.Errorf("jobs: %v", err)
	}
}

// compare gives each walk what is found of its messages. A commit that was refused may have happened.
func (c *crowd) compare() {
	items, err := scanAll(c.store, 50)
	if err != nil {
		c.Fatal(err)
	}
	for _, w := range c.walks {
		own := slices.DeleteFunc(slices.Clone(items), func(it queue.Item) bool { return int(it.ID>>12)>>20 != w.numbers>>20 })
		diff := w.itemsDifference(own)
		if diff != "" && w.doubt != nil {
			w.doubt()
			if after := w.itemsDifference(own); after == "" {
				diff = ""
			} else {
				diff = fmt.Sprintf("neither before the refused commit: %s\nnor after it: %s", diff, after)
			}
		}
		if diff != "" {
			c.Fatalf("walk %d: %s", w.numbers>>20, diff)
		}
		w.stopped, w.doubt = false, nil
	}
}
