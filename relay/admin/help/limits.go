package help

import (
	"net/netip"
	"sync"
	"time"
)

// How many pages there are for one client, and for all.
const (
	clientEvery = 500 * time.Millisecond // one page
	clientBurst = 40
	totalEvery  = 5 * time.Millisecond
	totalBurst  = 400
	maxClients  = 20_000 // remembered; each takes some 100 bytes
	sampled     = 16     // looked at to find one that may be forgotten
)

// limits is a bucket for each client and one for all. A bucket is a moment: up to when the pages that were given are paid for at
// the rate of one each so often (the generic cell rate algorithm). One whose moment has passed is as good as new.
type limits struct {
	mu      sync.Mutex
	clients map[netip.Prefix]time.Time
	total   time.Time
	most    int // clients
}

func newLimits() *limits { return &limits{clients: map[netip.Prefix]time.Time{}, most: maxClients} }

// wait takes a page for a client and gives 0, or gives how long it has to wait for one.
func (l *limits) wait(client netip.Prefix, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine, wait := take(l.clients[client], now, clientEvery, clientBurst)
	if wait > 0 {
		return wait
	}
	all, wait := take(l.total, now, totalEvery, totalBurst)
	if wait > 0 {
		return wait
	}
	if _, known := l.clients[client]; !known && len(l.clients) >= l.most {
		l.makeRoom()
	}
	l.clients[client], l.total = mine, all
	return 0
}

// take gives the moment of a bucket after one page more, or how long it takes until there is room for it. A clock that was set
// back must not keep anyone waiting for the difference.
func take(paid, now time.Time, every time.Duration, burst int) (time.Time, time.Duration) {
	most := time.Duration(burst) * every
	if paid.Before(now) || paid.Sub(now) > 2*most {
		paid = now
	}
	paid = paid.Add(every)
	if wait := paid.Sub(now) - most; wait > 0 {
		return paid, wait
	}
	return paid, 0
}

// makeRoom forgets, of a few clients, the one that has asked least.
func (l *limits) makeRoom() {
	var least netip.Prefix
	looked := 0
	for c, paid := range l.clients { // in no order
		if looked == 0 || paid.Before(l.clients[least]) {
			least = c
		}
		if looked++; looked == sampled {
			break
		}
	}
	delete(l.clients, least)
}
