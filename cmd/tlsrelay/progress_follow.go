package main

import (
	"sync"
	"time"
)

// follower keeps the line of a progress up to date beside a command that waits.
type follower struct {
	mu    sync.Mutex // held while anything is written
	p     *progress
	end   chan struct{}
	ended sync.WaitGroup
}

// follow shows each second what text gives. stop ends it.
func follow(p *progress, text func() string) *follower {
	f := &follower{p: p, end: make(chan struct{})}
	f.ended.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.mu.Lock()
				p.show(text)
				f.mu.Unlock()
			case <-f.end:
				return
			}
		}
	})
	return f
}

// aside writes something else while the line is away.
func (f *follower) aside(write func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.p.clear()
	return write()
}

// stop takes the line away for good.
func (f *follower) stop() {
	close(f.end)
	f.ended.Wait()
	f.p.clear()
}
