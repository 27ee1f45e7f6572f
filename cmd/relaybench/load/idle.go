package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Idle is a number of clients that are connected and say nothing.
type Idle struct{ calls []*Call }

// atOnce is how many clients connect at the same time.
const atOnce = 100

// OpenIdle connects n clients from as many different addresses of 127.0.0.0/8.
func OpenIdle(ctx context.Context, caller *Caller, n int) (*Idle, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := &Idle{calls: make([]*Call, n)}
	errs := make([]error, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(atOnce, n) {
		wg.Go(func() {
			for i := range next {
				call, err := caller.Call(ctx, LocalAddress(i))
				if err != nil {
					errs[i] = fmt.Errorf("idle client %d: %w", i+1, err)
					cancel()
					continue
				}
				idle.calls[i] = call
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if err := cause(errs); err != nil {
		idle.Close()
		return nil, err
	}
	return idle, nil
}

// cause gives an error that is not only the consequence of another, if there is one.
func cause(errs []error) (first error) {
	for _, err := range errs {
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return first
}

// LocalAddress is 127.1.0.1 and so on, with at most 250 in the last place.
func LocalAddress(i int) net.IP { return net.IPv4(127, byte(1+i/62500), byte(i/250), byte(1+i%250)) }

// Check counts the clients that are still served.
func (idle *Idle) Check() (alive int, err error) {
	var errs []error
	for _, c := range idle.calls {
		if err := c.Noop(); err != nil {
			errs = append(errs, err)
			continue
		}
		alive++
	}
	if len(errs) > 0 {
		return alive, fmt.Errorf("%d of %d idle clients were not served, the first because: %w", len(errs), len(idle.calls), errs[0])
	}
	return alive, nil
}

// Close ends all connections.
func (idle *Idle) Close() {
	for _, c := range idle.calls {
		if c != nil {
			c.Close()
		}
	}
}
