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
	v, token, err := s.take(job)
	if err != nil {
		return queue.Item{}, 0, err
	}
	it, _, err := s.pull(v)
	if err != nil {
		s.giveBack(job, token)
		if isDamage(err) {
			s.lose(v, err)
			err = goneError(job.ID)
		}
		return queue.Item{}, 0, err
	}
	return it, token, nil
}

// take makes the claim.
func (s *Store) take(job queue.JobKey) (view, queue.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return view{}, 0, queue.ErrClosed
	}
	v, there := s.look(job.ID)
	if !there {
		return view{}, 0, goneError(job.ID)
	}
	if _, taken := s.claims[job]; taken {
		return view{}, 0, fmt.Errorf("claim %s for %s: %w", job.ID, job.Destination, queue.ErrClaimed)
	}
	if !s.waits(&v, job.Destination) {
		return view{}, 0, fmt.Errorf("claim %s: nothing is left to do for %s: %w", job.ID, job.Destination, queue.ErrGone)
	}
	s.lastToken++
	s.claims[job] = claim{token: s.lastToken}
	return v, s.lastToken, nil
}

// waits reports whether a recipient at destination is not done.
func (s *Store) waits(v *view, destination string) bool {
	for i := range v.slots {
		if !v.slots[i].done() && s.index.names.text(v.slots[i].destination) == destination {
			return true
		}
	}
	return false
}

// Release implements [queue.Store].
func (s *Store) Release(ctx context.Context, job queue.JobKey, t queue.Token) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.giveBack(job, t)
	return nil
}

func (s *Store) giveBack(job queue.JobKey, t queue.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.claims[job]; ok && c.token == t && !c.ending {
		delete(s.claims, job)
	}
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
		if c, ok := s.claims[job]; ok {
			c.ending = false
			s.claims[job] = c
		}
	}
}
