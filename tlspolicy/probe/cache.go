package probe

import (
	"container/list"
	"time"
)

// maxKept bounds how many targets are remembered. The one that was probed first is forgotten first.
const maxKept = 10_000

// cache keeps results until their time is over. It is not for several goroutines at once.
type cache struct {
	byTarget map[Target]*list.Element
	order    *list.List // of keptResult, the oldest first
}

type keptResult struct {
	target Target
	result *Result
	until  time.Time
}

func newCache() cache { return cache{make(map[Target]*list.Element), list.New()} }

func (c *cache) get(t Target, now time.Time) (*Result, bool) {
	e := c.byTarget[t]
	if e == nil {
		return nil, false
	}
	k := e.Value.(keptResult)
	if !now.Before(k.until) {
		c.forget(t)
		return nil, false
	}
	return k.result, true
}

func (c *cache) put(t Target, r *Result, until time.Time) {
	c.forget(t)
	c.byTarget[t] = c.order.PushBack(keptResult{t, r, until})
	for len(c.byTarget) > maxKept {
		c.forget(c.order.Front().Value.(keptResult).target)
	}
}

func (c *cache) forget(t Target) {
	if e := c.byTarget[t]; e != nil {
		c.order.Remove(e)
		delete(c.byTarget, t)
	}
}
