package dns

import (
	"context"
	"errors"
	"sync"
	"time"

	miekg "github.com/miekg/dns"
)

const (
	defaultMemory  = 64 << 20
	defaultLookups = 200
)

// CacheOptions of a Cache. The zero value has sensible bounds and the real clock.
type CacheOptions struct {
	Memory  int              // bytes for answers, roughly; those not in use go first; 0 means 64 MiB
	Lookups int              // at the resolver at the same time (one of addresses is two questions); 0 means 200
	Now     func() time.Time // nil means time.Now
}

// Cache is a Resolver that remembers the answers of another one: for their TTL, though at least 5 seconds and at most
// an hour; a "no" for two minutes at most, trouble for 5 to 30 seconds. Callers with the same question share one look-up.
//
// Each answer handed out is the caller's own and has the hosts of equal preference, and the addresses of a family, in a
// new random order; its TTL is what is left. Errors are shared, as everywhere.
//
// There is no answer after its time, not even when a new one cannot be had (RFC 8767): mail waits without harm, and
// must not go to a host that its domain has left.
//
// A Cache may be used by many goroutines. Close ends it.
type Cache struct {
	resolver Resolver
	now      func() time.Time
	lookups  int

	life context.Context // of all look-ups
	end  context.CancelCauseFunc
	work sync.WaitGroup // a goroutine for each look-up at the resolver

	mu           sync.Mutex // never held while waiting
	memory       shelf
	desk         desk
	hits, misses uint64
}

// NewCache makes an empty Cache before a resolver.
func NewCache(r Resolver, o CacheOptions) *Cache {
	c := &Cache{
		resolver: r,
		now:      o.Now,
		lookups:  o.Lookups,
		memory:   newShelf(o.Memory),
		desk:     newDesk(),
	}
	if c.lookups <= 0 {
		c.lookups = defaultLookups
	}
	if c.memory.limit <= 0 {
		c.memory.limit = defaultMemory
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.life, c.end = context.WithCancelCause(context.Background())
	return c
}

var errClosed = errors.New("this relay is about to end")

// Close ends the look-ups under way, which is trouble to those who wait for them, and returns when all have ended.
// What is in memory can still be had.
func (c *Cache) Close() {
	c.mu.Lock()
	c.end(errClosed)
	c.mu.Unlock()
	c.work.Wait()
}

// LookupMX implements [Resolver].
func (c *Cache) LookupMX(ctx context.Context, domain string) (MXAnswer, error) {
	name, ok := cleanName(domain)
	if !ok {
		return MXAnswer{}, badName(domain, miekg.TypeMX)
	}
	e, err := c.find(ctx, key{name, miekg.TypeMX})
	if err != nil {
		return MXAnswer{}, err
	}
	return e.mx(c.now())
}

// LookupAddrs implements [Resolver].
func (c *Cache) LookupAddrs(ctx context.Context, host string) (AddrAnswer, error) {
	name, ok := cleanName(host)
	if !ok {
		return AddrAnswer{}, badName(host, miekg.TypeA)
	}
	e, err := c.find(ctx, key{name, miekg.TypeA})
	if err != nil {
		return AddrAnswer{}, err
	}
	return e.addrs(c.now())
}

// KnownMX is what LookupMX would answer at once, from memory; known is false if it would have to ask. It never waits.
func (c *Cache) KnownMX(domain string) (answer MXAnswer, err error, known bool) {
	name, ok := cleanName(domain)
	if !ok {
		return MXAnswer{}, badName(domain, miekg.TypeMX), true
	}
	now := c.now()
	c.mu.Lock()
	e := c.fresh(key{name, miekg.TypeMX}, now)
	c.mu.Unlock()
	if e == nil {
		return MXAnswer{}, nil, false
	}
	answer, err = e.mx(now)
	return answer, err, true
}

// fresh is the entry in memory, nil if there is none or its time is over. c.mu is held.
func (c *Cache) fresh(k key, now time.Time) *entry {
	e := c.memory.get(k)
	if e == nil || !now.Before(e.until) {
		return nil
	}
	c.hits++
	return e
}

// Stats are the figures of a Cache.
type Stats struct {
	Hits     uint64 // answers from memory
	Misses   uint64 // callers that had to wait, alone or together
	Entries  int    // in memory, those whose time is over included
	Bytes    int    // that they take, roughly
	UnderWay int    // look-ups at the resolver
	Waiting  int    // look-ups that wait for their turn
}

// Stats gives the figures of this moment.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Hits: c.hits, Misses: c.misses,
		Entries: len(c.memory.byKey), Bytes: c.memory.size,
		UnderWay: c.desk.busy, Waiting: c.desk.waiting.Len(),
	}
}
