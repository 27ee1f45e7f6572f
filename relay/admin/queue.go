package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"tlsrelay/queue"
)

// Queue is what the queue commands can do, whoever answers.
type Queue interface {
	// List calls fn for each selected message in order of arrival, without holding them all in memory.
	List(ctx context.Context, s Selection, fn func(Message) error) error
	// Content writes the stored text of a message.
	Content(ctx context.Context, id queue.ID, w io.Writer) error
	// Retry makes the selected messages due now, and gives the number of those that were not under way already.
	// queue.ErrGone if a given ID is not in the queue; the others are done all the same.
	Retry(ctx context.Context, s Selection) (int, error)
	// Delete removes the selected messages for good, without a notice, and gives their number. queue.ErrGone likewise.
	Delete(ctx context.Context, s Selection) (int, error)
	Close() error
}

// Direct answers from a store in this process.
type Direct struct {
	Store    queue.Store
	RetryNow func(ctx context.Context, ids []queue.ID) (queue.Retried, error) // makes messages due now
	Log      *slog.Logger                                                     // deletions are logged: they are the one way in which mail ends unseen
	OnClose  func() error                                                     // nil: the store belongs to somebody else
}

// page is how many messages are read from the store at a time.
const page = 500

// List implements [Queue].
func (d *Direct) List(ctx context.Context, s Selection, fn func(Message) error) error {
	return d.each(ctx, s, func(item *queue.Item) error { return fn(newMessage(item)) })
}

// each calls fn for each selected item.
func (d *Direct) each(ctx context.Context, s Selection, fn func(*queue.Item) error) error {
	if len(s.IDs) > 0 {
		return d.eachID(ctx, s.IDs, fn)
	}
	for after := queue.ID(0); ; {
		items, err := d.Store.Scan(ctx, after, page)
		if err != nil || len(items) == 0 {
			return err
		}
		for i := range items {
			after = items[i].ID
			if !s.matches(&items[i]) {
				continue
			}
			if err := fn(&items[i]); err != nil {
				return err
			}
		}
	}
}

// eachID goes through all IDs, and gives the errors of all that failed.
func (d *Direct) eachID(ctx context.Context, ids []queue.ID, fn func(*queue.Item) error) error {
	var errs []error
	seen := make(map[queue.ID]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		item, err := d.Store.Get(ctx, id)
		if err == nil {
			err = fn(&item)
		}
		if err != nil {
			errs = append(errs, &IDError{id, err})
		}
	}
	return errors.Join(errs...)
}

// Content implements [Queue].
func (d *Direct) Content(ctx context.Context, id queue.ID, w io.Writer) error {
	body, err := d.Store.Open(ctx, id)
	if err != nil {
		return &IDError{id, err}
	}
	defer body.Close()
	_, err = io.Copy(w, body)
	return err
}

// Retry implements [Queue].
func (d *Direct) Retry(ctx context.Context, s Selection) (int, error) {
	return d.change(ctx, s, func(item *queue.Item) (bool, error) {
		retried, err := d.RetryNow(ctx, []queue.ID{item.ID})
		if len(retried.Gone) > 0 {
			err = queue.ErrGone
		}
		return retried.Due > 0, err
	})
}

// Delete implements [Queue].
func (d *Direct) Delete(ctx context.Context, s Selection) (int, error) {
	return d.change(ctx, s, func(item *queue.Item) (bool, error) {
		if err := d.Store.Commit(ctx, &queue.Batch{Delete: []queue.ID{item.ID}}); err != nil {
			return false, err
		}
		d.Log.Warn("deleted", "id", item.ID, "sender", item.Sender, "recipients", len(item.Recipients))
		return true, nil
	})
}

// change counts what fn did. A message that ended between the listing and fn is no failure, unless it was asked for by ID.
func (d *Direct) change(ctx context.Context, s Selection, fn func(*queue.Item) (bool, error)) (int, error) {
	n := 0
	err := d.each(ctx, s, func(item *queue.Item) error {
		done, err := fn(item)
		if errors.Is(err, queue.ErrGone) && len(s.IDs) == 0 {
			return nil
		}
		if done {
			n++
		}
		return err
	})
	return n, err
}

// Close implements [Queue].
func (d *Direct) Close() error {
	if d.OnClose == nil {
		return nil
	}
	return d.OnClose()
}

// IDError is an error about one message.
type IDError struct {
	ID  queue.ID
	Err error
}

func (e *IDError) Error() string {
	if errors.Is(e.Err, queue.ErrGone) {
		return e.ID.String() + ": " + queue.ErrGone.Error()
	}
	return e.ID.String() + ": " + e.Err.Error()
}
func (e *IDError) Unwrap() error { return e.Err }
