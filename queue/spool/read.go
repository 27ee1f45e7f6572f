package spool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tlsrelay/queue"
)

// scanStep is how many messages are looked up in the index at a time: it holds writers up for some ten microseconds.
const scanStep = 64

func goneError(id queue.ID) error { return fmt.Errorf("message %s: %w", id, queue.ErrGone) }

// Get implements [queue.Store]. As in Scan, recipients of claimed jobs are shown as Active.
func (s *Store) Get(ctx context.Context, id queue.ID) (queue.Item, error) {
	if err := s.usable(ctx); err != nil {
		return queue.Item{}, err
	}
	s.mu.RLock()
	v, there := s.look(id)
	s.mu.RUnlock()
	if !there {
		return queue.Item{}, goneError(id)
	}
	return s.show(v)
}

// show reads an item and marks what is claimed. A message that turns out damaged is gone.
func (s *Store) show(v view) (queue.Item, error) {
	it, _, err := s.pull(v)
	if err != nil && isDamage(err) {
		s.lose(v, err)
		return it, goneError(v.id)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range it.Recipients {
		r := &it.Recipients[i]
		if _, claimed := s.claims[queue.JobKey{ID: it.ID, Destination: r.Destination}]; claimed && !r.State.Done() {
			r.State = queue.Active
		}
	}
	return it, err
}

// Scan implements [queue.Store].
func (s *Store) Scan(ctx context.Context, after queue.ID, limit int) ([]queue.Item, error) {
	var items []queue.Item
	for limit > len(items) {
		if err := s.usable(ctx); err != nil {
			return nil, err
		}
		var page []view
		s.mu.RLock()
		s.index.after(after, min(limit-len(items), scanStep), func(e *entry) { page = append(page, s.viewOf(e)) })
		s.mu.RUnlock()
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			after = v.id
			it, err := s.show(v)
			if errors.Is(err, queue.ErrGone) {
				continue
			}
			if err != nil {
				return nil, err // a listing that leaves mail out must not pass for a whole one
			}
			items = append(items, it)
		}
	}
	return items, nil
}

// Jobs implements [queue.Store]. It answers from the index alone.
func (s *Store) Jobs(ctx context.Context, after queue.ID, limit int) (jobs []queue.DueJob, last queue.ID, err error) {
	if err := s.usable(ctx); err != nil {
		return nil, 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	visited := 0
	s.index.after(after, limit, func(e *entry) {
		visited++
		last = e.id
		jobs = s.appendJobs(jobs, e)
	})
	if visited < limit {
		last = 0
	}
	return jobs, last, nil
}

// appendJobs adds the jobs of one message.
func (s *Store) appendJobs(jobs []queue.DueJob, e *entry) []queue.DueJob {
	slots := s.index.slots(e)
	var known map[uint32]int // number of the destination to index in jobs
	if len(slots) > 1 {
		known = make(map[uint32]int)
	}
	for i := range slots {
		if slots[i].done() {
			continue
		}
		number, due := slots[i].destination, time.Unix(0, slots[i].due).UTC()
		if at, ok := known[number]; ok {
			jobs[at].Due = minTime(jobs[at].Due, due)
			continue
		}
		if known != nil {
			known[number] = len(jobs)
		}
		jobs = append(jobs, queue.DueJob{JobKey: queue.JobKey{ID: e.id, Destination: s.index.names.text(number)}, Due: due})
	}
	return jobs
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
