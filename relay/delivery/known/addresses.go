// Package known remembers for a while how remote addresses behave, so that not every connection has to find it out again: which
// are dead, which need a small ClientHello, and which do not know BDAT although they say so.
//
// It only saves time. It never says that a host has no TLS or needs less of it: that is found out each time anew.
package known

import (
	"container/list"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxAddresses = 10_000

	firstPause = 30 * time.Second // after the first failure, doubled with each further one
	longPause  = 10 * time.Minute
	spread     = 0.1            // a pause is up to so much shorter or longer
	grace      = time.Hour      // after a pause; a failure later than that counts as the first one
	trial      = time.Minute    // how long one trial keeps others from the address, if it never ends
	helloTime  = 24 * time.Hour // until the usual ClientHello is tried again
	chunkTime  = 24 * time.Hour // until BDAT is
)

// Addresses remembers up to 10,000 addresses; the one about which nothing was learnt for the longest time is forgotten first. It
// may be used by many goroutines, and its methods never wait.
type Addresses struct {
	now func() time.Time

	smallHellos atomic.Int64

	mu     sync.Mutex
	byAddr map[netip.AddrPort]*list.Element
	recent list.List // of *entry, the latest news first
}

type entry struct {
	addr     netip.AddrPort
	failures int       // to connect, one after the other
	deadTill time.Time // zero when it is alive
	trialEnd time.Time // until then a trial may be under way
	helloEnd time.Time // until then it needs the small hello
	chunkEnd time.Time // until then it gets no BDAT
}

// New makes an empty memory. now is the clock.
func New(now func() time.Time) *Addresses {
	return &Addresses{now: now, byAddr: make(map[netip.AddrPort]*list.Element)}
}

// Alive reports whether to connect to an address. Once its pause is over the answer for a dead one is yes to the first who
// asks, for a trial, and no to others until that has ended: by Connected, Failed or Left.
func (a *Addresses) Alive(addr netip.AddrPort) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.find(addr)
	if e == nil || e.failures == 0 {
		return true
	}
	now := a.now()
	if now.Before(e.deadTill) || now.Before(e.trialEnd) {
		return false
	}
	e.trialEnd = now.Add(trial)
	return true
}

// Connected takes down that an address answers: it is alive.
func (a *Addresses) Connected(addr netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.find(addr); e != nil && e.failures > 0 {
		e.failures, e.deadTill, e.trialEnd = 0, time.Time{}, time.Time{}
		a.forgetIdle(e)
	}
}

// Failed takes down that an address does not answer, or not in time: it is dead for a pause. Failures of connections that were
// begun before or in spite of a pause do not make it longer.
func (a *Addresses) Failed(addr netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, e := a.now(), a.learn(addr)
	if now.Before(e.deadTill) {
		return
	}
	if e.failures > 0 && now.Sub(e.deadTill) > grace {
		e.failures = 0
	}
	e.failures++
	e.deadTill, e.trialEnd = now.Add(pause(e.failures)), time.Time{}
}

// Left takes down that nobody waited to see whether an address answers.
func (a *Addresses) Left(addr netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.find(addr); e != nil {
		e.trialEnd = time.Time{}
	}
}

// pause gives the pause after so many failures in a row.
func pause(failures int) time.Duration {
	p := longPause
	if doublings := failures - 1; doublings < 8 {
		p = min(firstPause<<doublings, longPause)
	}
	return time.Duration(float64(p) * (1 - spread + 2*spread*rand.Float64()))
}

// SmallHello reports whether to begin with the small ClientHello.
func (a *Addresses) SmallHello(addr netip.AddrPort) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.find(addr)
	return e != nil && !e.helloEnd.IsZero() && a.now().Before(e.helloEnd)
}

// LearnSmallHello takes down that a handshake went well with the small ClientHello only. news is false if that was known.
func (a *Addresses) LearnSmallHello(addr netip.AddrPort) (news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, e := a.now(), a.learn(addr)
	news = !now.Before(e.helloEnd)
	e.helloEnd = now.Add(helloTime)
	return news
}

// ForgetSmallHello takes down that the small ClientHello does no good either.
func (a *Addresses) ForgetSmallHello(addr netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.find(addr); e != nil {
		e.helloEnd = time.Time{}
		a.forgetIdle(e)
	}
}

// UsedSmallHello counts a handshake that went well with the small ClientHello.
func (a *Addresses) UsedSmallHello() { a.smallHellos.Add(1) }

// SmallHellos gives how many handshakes went well with the small ClientHello, at servers that fail with the usual one.
func (a *Addresses) SmallHellos() int64 { return a.smallHellos.Load() }

// NoChunking reports whether to do without BDAT.
func (a *Addresses) NoChunking(addr netip.AddrPort) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.find(addr)
	return e != nil && a.now().Before(e.chunkEnd)
}

// LearnNoChunking takes down that an address offers CHUNKING and does not know BDAT.
func (a *Addresses) LearnNoChunking(addr netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.learn(addr).chunkEnd = a.now().Add(chunkTime)
}

func (a *Addresses) find(addr netip.AddrPort) *entry {
	if el := a.byAddr[addr]; el != nil {
		return el.Value.(*entry)
	}
	return nil
}

// learn finds or makes the entry for news of an address.
func (a *Addresses) learn(addr netip.AddrPort) *entry {
	if el := a.byAddr[addr]; el != nil {
		a.recent.MoveToFront(el)
		return el.Value.(*entry)
	}
	if a.recent.Len() >= maxAddresses {
		a.forget(a.recent.Back())
	}
	e := &entry{addr: addr}
	a.byAddr[addr] = a.recent.PushFront(e)
	return e
}

// forgetIdle drops an entry of which nothing is left.
func (a *Addresses) forgetIdle(e *entry) {
	if e.failures == 0 && e.helloEnd.IsZero() && e.chunkEnd.IsZero() {
		a.forget(a.byAddr[e.addr])
	}
}

func (a *Addresses) forget(el *list.Element) {
	delete(a.byAddr, el.Value.(*entry).addr)
	a.recent.Remove(el)
}
