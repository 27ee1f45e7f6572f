package tenant

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxTenants is how many are counted at the same time; each takes some 600 bytes.
const maxTenants = 100_000

// Tenants is all of them. Its methods may be called from many goroutines at once.
type Tenants struct {
	now     func() time.Time
	rules   atomic.Pointer[rules] // nil: none
	changed atomic.Bool           // since the last Save

	mu     sync.RWMutex
	meters map[ID]*meter
	most   int // meters
}

// New makes tenants without any rule.
func New(now func() time.Time) *Tenants {
	return &Tenants{now: now, meters: map[ID]*meter{}, most: maxTenants}
}

// Configure puts rules in force in place of those before. What was counted stays. No two rules are for the same account
// or network. A transaction under way ends by the rule that it began with.
func (t *Tenants) Configure(list []Rule) { t.rules.Store(newRules(list)) }

// Enter finds the seat of a connection whose client is logged in as account, or not at all ("") and at that address. It
// gives back old, the seat that the connection has already, if that is still right, and otherwise leaves it for a new
// one. No rule: no seat. With a refusal, for the number of connections, the connection keeps old.
func (t *Tenants) Enter(old *Seat, account string, client netip.Addr) (*Seat, *Refusal) {
	if t == nil {
		return nil, nil
	}
	r, id := t.rules.Load().find(account, client)
	switch {
	case r == nil:
		old.Leave()
		return nil, nil
	case old != nil && old.meter.id == id:
		old.rule = r
		return old, nil
	}
	m, ok := t.enter(id, r.Connections)
	if !ok {
		return old, m.refuse(t.now(), Connections, 421, "4.7.0",
			"The limit of connections at once (%d) for the %s is reached: close one, or try again later", r.Connections, short(id.String()))
	}
	old.Leave()
	return &Seat{t, m, r}, nil
}

// enter takes a seat at the meter of a tenant. The lock keeps the meter from being dropped meanwhile.
func (t *Tenants) enter(id ID, limit int) (*meter, bool) {
	t.mu.RLock()
	if m := t.meters[id]; m != nil {
		defer t.mu.RUnlock()
		return m, m.enter(limit)
	}
	t.mu.RUnlock()

	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.meters[id]
	if m == nil {
		t.makeRoom()
		m = newMeter(id)
		t.meters[id] = m
	}
	return m, m.enter(limit)
}

// makeRoom drops a meter when there are too many: of some that nobody holds, the one that has counted least.
func (t *Tenants) makeRoom() {
	if len(t.meters) < t.most {
		return
	}
	const looks = 32
	var least *meter
	leastSum, looked := 0, 0
	now := t.now()
	for _, m := range t.meters { // in no order
		m.mu.Lock()
		if sum := m.day.sum(now); m.unused() && (least == nil || sum < leastSum) {
			least, leastSum = m, sum
		}
		m.mu.Unlock()
		if looked++; looked >= looks && least != nil {
			break
		}
	}
	if least != nil { // else all of them have connections, whose number is limited
		delete(t.meters, least.id)
	}
}

// dropIdle forgets tenants that have sent nothing for a day.
func (t *Tenants) dropIdle() {
	now := t.now()
	idle := slices.DeleteFunc(t.all(), func(m *meter) bool { return !m.idle(now) })
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range idle {
		if m.idle(now) { // still, now that nobody can enter
			delete(t.meters, m.id)
		}
	}
}

// all gives the meters there are now.
func (t *Tenants) all() []*meter {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*meter, 0, len(t.meters))
	for _, m := range t.meters {
		list = append(list, m)
	}
	return list
}
