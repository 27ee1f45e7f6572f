package dns

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	miekg "github.com/miekg/dns"
)

// lookupTime bounds one look-up at the resolver, aliases and all servers included.
const lookupTime = 30 * time.Second

var errTooLong = errors.New("no answer within " + lookupTime.String() + " in all")

// lookup is one question that is put to the resolver, or will be, for all callers that want to know.
type lookup struct {
	key     key
	callers int
	turn    *list.Element // in desk.waiting; nil from when the resolver is asked
	done    chan struct{} // closed when entry is set
	entry   *entry
}

// desk holds the look-ups that have no answer yet. Callers bound the number of those that wait: one that nobody waits
// for any more is dropped. Once at the resolver it goes on to its end, for the memory.
type desk struct {
	byKey   map[key]*lookup
	waiting list.List // of *lookup, first come first
	busy    int       // look-ups at the resolver
}

func newDesk() desk { return desk{byKey: make(map[key]*lookup)} }

// find gives the answer from memory or waits for it. An error is that of ctx, or of a closed cache.
func (c *Cache) find(ctx context.Context, k key) (*entry, error) {
	trouble := func(err error) error { return &TroubleError{Question: question(k.name, k.qtype), Err: err} }
	c.mu.Lock()
	if e := c.fresh(k, c.now()); e != nil {
		c.mu.Unlock()
		return e, nil
	}
	c.misses++
	if c.life.Err() != nil {
		c.mu.Unlock()
		return nil, trouble(context.Cause(c.life))
	}
	l := c.join(k)
	c.mu.Unlock()

	select {
	case <-l.done:
		return l.entry, nil
	case <-ctx.Done():
		c.leave(l)
		return nil, trouble(context.Cause(ctx))
	}
}

// join adds a caller to the look-up for k. The first one starts it, or puts it in line. c.mu is held.
func (c *Cache) join(k key) *lookup {
	if l := c.desk.byKey[k]; l != nil {
		l.callers++
		return l
	}
	k.name = strings.Clone(k.name) // it may be a part of a longer text
	l := &lookup{key: k, callers: 1, done: make(chan struct{})}
	c.desk.byKey[k] = l
	if c.desk.busy < c.lookups {
		c.desk.busy++
		c.work.Go(func() { c.run(l) })
	} else {
		l.turn = c.desk.waiting.PushBack(l)
	}
	return l
}

// leave takes a caller away that does not wait any more.
func (c *Cache) leave(l *lookup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.callers--
	if l.callers == 0 && l.turn != nil {
		c.desk.waiting.Remove(l.turn)
		delete(c.desk.byKey, l.key)
	}
}

// run does a look-up, and then those that wait, one after the other.
func (c *Cache) run(l *lookup) {
	for l != nil {
		e, ttl := c.ask(l.key)
		l = c.settle(l, e, ttl)
	}
}

// ask puts the question to the resolver. The result may be kept for ttl.
func (c *Cache) ask(k key) (e *entry, ttl time.Duration) {
	ctx, cancel := context.WithTimeoutCause(c.life, lookupTime, errTooLong)
	defer cancel()
	if k.qtype == miekg.TypeMX {
		a, err := c.resolver.LookupMX(ctx, k.name)
		return &entry{key: k, hosts: slices.Clone(a.Hosts), null: a.Null, authentic: a.Authentic, err: err}, a.TTL
	}
	a, err := c.resolver.LookupAddrs(ctx, k.name)
	return &entry{key: k, addresses: slices.Clone(a.Addrs), authentic: a.Authentic, err: err}, a.TTL
}

// settle remembers the answer and gives it to all who wait for it. The result is the next look-up in line, or nil.
func (c *Cache) settle(l *lookup, e *entry, ttl time.Duration) *lookup {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e.kept = keepFor(e, ttl, c.memory.get(l.key))
	e.until = now.Add(e.kept)
	if c.life.Err() == nil { // else it may be no answer but our own end
		c.memory.put(e)
	}
	delete(c.desk.byKey, l.key)
	l.entry = e
	close(l.done)

	first := c.desk.waiting.Front()
	if first == nil {
		c.desk.busy--
		return nil
	}
	next := c.desk.waiting.Remove(first).(*lookup)
	next.turn = nil
	return next
}
