package queue

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// DestinationOf is the domain of an address in wire form, lower case: what stands behind the last "@".
func DestinationOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// Retried says what became of the messages that were to be tried again.
type Retried struct {
	Due  int  // messages with a job that is due now and not under way
	Gone []ID // messages that are not in the queue
}

// RetryNow makes all waiting recipients of messages due at now, some hundreds with each commit. Jobs under way are left alone,
// those that are due already stay as they are. It goes on when ctx ends, for what it claims must be given back: call it with
// a page of messages at a time. After an error the messages that come later in ids were not looked at.
func RetryNow(ctx context.Context, store Store, owner string, ids []ID, now time.Time) (Retried, error) {
	retried, _, err := retryNow(ctx, store, owner, allJobs(ids), now)
	return retried, err
}

// allJobs gives the messages as keys without a destination.
func allJobs(ids []ID) []JobKey {
	keys := make([]JobKey, len(ids))
	for i, id := range ids {
		keys[i].ID = id
	}
	return keys
}

// retryNow does that for jobs; a key without a destination stands for all of the message. It also gives the jobs that
// it had claimed, changed or not: a scheduler beside it is owed a hint for them (see ready).
func retryNow(ctx context.Context, store Store, owner string, keys []JobKey, now time.Time) (Retried, []DueJob, error) {
	r := retry{ctx: context.WithoutCancel(ctx), store: store, owner: owner, now: now, due: make(map[ID]bool)}
	var err error
	for _, key := range keys {
		if err = r.message(key.ID, key.Destination); err != nil {
			break
		}
	}
	err = errors.Join(err, r.flush())
	return Retried{Due: len(r.due), Gone: r.gone}, r.claimed, err
}

// retry is a RetryNow under way.
type retry struct {
	ctx   context.Context
	store Store
	owner string
	now   time.Time

	held       []Update // one for each claim that is held
	recipients int      // in held
	claimed    []DueJob // all that were held
	due        map[ID]bool
	gone       []ID
}

// retryBatch is about how many recipients one commit changes.
const retryBatch = 500

// message sees to the jobs of one message, or to that for one destination alone.
func (r *retry) message(id ID, only string) error {
	item, err := r.store.Get(r.ctx, id)
	if errors.Is(err, ErrGone) {
		r.missing(id)
		return nil
	}
	if err != nil {
		return err
	}
	for _, job := range item.Jobs() {
		if only != "" && job.Destination != only {
			continue
		}
		if r.isDue(&item, job.Destination) {
			r.due[id] = true
		} else if err := r.claim(job.JobKey); err != nil {
			return err
		}
		if r.recipients >= retryBatch {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// isDue reports whether all waiting recipients of a job are due and none is under way.
func (r *retry) isDue(item *Item, destination string) bool {
	for _, i := range item.Pending(destination) {
		if one := &item.Recipients[i]; one.State == Active || one.NextAttempt.After(r.now) {
			return false
		}
	}
	return true
}

// claim takes a job for the next commit, unless it is under way or done.
func (r *retry) claim(job JobKey) error {
	item, token, err := r.store.Claim(r.ctx, r.owner, job)
	if errors.Is(err, ErrClaimed) || errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	r.claimed = append(r.claimed, DueJob{job, r.now})
	update := Update{Job: job, Token: token}
	for _, i := range item.Pending(job.Destination) {
		one := item.Recipients[i]
		one.State, one.NextAttempt = Queued, r.now
		update.Recipients = append(update.Recipients, RecipientUpdate{i, one})
	}
	r.held = append(r.held, update)
	r.recipients += len(update.Recipients)
	return nil
}

// flush makes the jobs durable that are held, and gives up their claims.
func (r *retry) flush() error {
	held := r.held
	r.held, r.recipients = nil, 0
	if len(held) == 0 {
		return nil
	}
	return r.commit(held)
}

// commit tries all updates at once. If a message among them was deleted meanwhile it tries each half by itself.
func (r *retry) commit(updates []Update) error {
	err := r.store.Commit(r.ctx, &Batch{Update: updates})
	switch {
	case err == nil:
		for _, u := range updates {
			r.due[u.Job.ID] = true
		}
		return nil
	case !errors.Is(err, ErrGone):
		return errors.Join(err, r.release(updates))
	case len(updates) == 1:
		r.missing(updates[0].Job.ID)
		return r.release(updates)
	}
	half := len(updates) / 2
	return errors.Join(r.commit(updates[:half]), r.commit(updates[half:]))
}

// missing notes that a message is not in the queue.
func (r *retry) missing(id ID) {
	delete(r.due, id)
	if !slices.Contains(r.gone, id) {
		r.gone = append(r.gone, id)
	}
}

func (r *retry) release(updates []Update) error {
	var errs []error
	for _, u := range updates {
		errs = append(errs, r.store.Release(r.ctx, u.Job, u.Token))
	}
	return errors.Join(errs...)
}
