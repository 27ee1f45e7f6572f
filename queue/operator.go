package queue

import (
	"context"
	"errors"
	"strings"
	"time"
)

// DestinationOf is the domain of an address in wire form, lower case: what stands behind the last "@".
func DestinationOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// RetryNow makes all waiting recipients of a message due at now. It gives the jobs that were changed; those under way are
// left alone. ErrGone if there is no such message.
func RetryNow(ctx context.Context, store Store, owner string, id ID, now time.Time) ([]JobKey, error) {
	ctx = context.WithoutCancel(ctx) // what is claimed must be given back
	item, err := store.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	var changed []JobKey
	for _, h := range jobHints(&item) {
		current, token, err := store.Claim(ctx, owner, h.job)
		if errors.Is(err, ErrClaimed) || errors.Is(err, ErrGone) {
			continue
		}
		if err != nil {
			return changed, err
		}
		update := Update{Job: h.job, Token: token}
		for _, i := range current.Pending(h.job.Destination) {
			r := current.Recipients[i]
			r.State, r.NextAttempt = Queued, now
			update.Recipients = append(update.Recipients, RecipientUpdate{i, r})
		}
		if err := store.Commit(ctx, &Batch{Update: []Update{update}}); err != nil {
			return changed, errors.Join(err, store.Release(ctx, h.job, token))
		}
		changed = append(changed, h.job)
	}
	return changed, nil
}
