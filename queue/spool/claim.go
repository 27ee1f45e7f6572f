package spool

import (
	"context"
	"fmt"

	"tlsrelay/queue"
)

// claim is a job someone works on. Claims live in memory alone: after a restart every job is free.
type claim struct {
	token  queue.Token
	ending bool // a commit under way ends it
}

// Claim implements [queue.Store]. The item comes with states as stored: none is Active. There is one owner, whatever
// its name, but a job that is claimed stays claimed: a second claim of it is ErrClaimed.
func (s *Store) Claim(ctx context.Context, _ string, job queue.JobKey) (queue.Item, queue.Token, error) {
	if err := s.usable(ctx); err != nil {
		return queue.Item{}, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return queue.Item{}, 0, queue.ErrClosed
	}
	e := s.index.get(job.ID)
	if e == nil {
		return queue.Item{}, 0, goneError(job.ID)
	}
	if _, taken := s.claims[job]; taken {
		return queue.Item{}, 0, fmt.Errorf("claim %s for %s: %w", job.ID, job.Destination, queue.ErrClaimed)
	}
	it, err := decodeItem(e.item)
	if err != nil {
		return queue.Item{}, 0, fmt.Errorf("spool: claim %s: %w", job.ID, err)
	}
	if len(it.Pending(job.Destination)) == 0 {
		return queue.Item{}, 0, fmt.Errorf("claim %s: nothing is left to do for %s: %w",
			job.ID, job.Destination, queue.ErrGone)
	}
	s.lastToken++
	s.claims[job] = claim{token: s.lastToken}
	return it, s.lastToken, nil
}

// Release implements [queue.Store].
func (s *Store) Release(ctx context.Context, job queue.JobKey, t queue.Token) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.claims[job]; ok && c.token == t && !c.ending {
		delete(s.claims, job)
	}
	return nil
}

// endClaim marks the claim as ended by the commit under way, and reports whether t proves it.
func (s *Store) endClaim(job queue.JobKey, t queue.Token) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.claims[job]
	if !ok || c.token != t || c.ending {
		return false
	}
	c.ending = true
	s.claims[job] = c
	return true
}

// keepClaims undoes endClaim: the commit failed.
func (s *Store) keepClaims(jobs []queue.JobKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, job := range jobs {
		c := s.claims[job]
		c.ending = false
		s.claims[job] = c
	}
}

// dropClaims forgets the claims on a message that is gone: their updates answer ErrGone from now on. The caller holds
// mu.
func (s *Store) dropClaims(e *entry) {
	it, err := decodeItem(e.item)
	if err != nil {
		return
	}
	for i := range it.Recipients {
		delete(s.claims, queue.JobKey{ID: e.id, Destination: it.Recipients[i].Destination})
	}
}
