package probe

import (
	"context"
	"net/netip"
	"sync"
)

// turns lets one connection at a time go to an address, whatever the port, and so many at once in all.
type turns struct {
	mu    sync.Mutex
	byIP  map[netip.Addr]*turn
	slots chan struct{}
}

// turn is who may connect to one address.
type turn struct {
	busy chan struct{} // holds one
	want int           // who has it or waits for it
}

func newTurns(atOnce int) turns {
	return turns{byIP: make(map[netip.Addr]*turn), slots: make(chan struct{}, atOnce)}
}

// take waits until it is the caller's turn at an address, who must call done. The address comes first, so that those who wait
// for the same one do not keep others from theirs.
func (t *turns) take(ctx context.Context, addr netip.Addr) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	addr = addr.Unmap()
	mine := t.join(addr)
	select {
	case mine.busy <- struct{}{}:
	case <-ctx.Done():
		t.part(addr, mine)
		return nil, ctx.Err()
	}
	free := func() { <-mine.busy; t.part(addr, mine) }
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		free()
		return nil, ctx.Err()
	}
	return func() { <-t.slots; free() }, nil
}

func (t *turns) join(addr netip.Addr) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := t.byIP[addr]
	if mine == nil {
		mine = &turn{busy: make(chan struct{}, 1)}
		t.byIP[addr] = mine
	}
	mine.want++
	return mine
}

func (t *turns) part(addr netip.Addr, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.want--; mine.want == 0 {
		delete(t.byIP, addr)
	}
}
