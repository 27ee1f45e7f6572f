package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"

	"tlsrelay/queue"
)

// Queue is what the queue commands can do, whoever answers.
type Queue interface {
	// List calls fn for each selected message in order of arrival, without holding them all in memory. An error of fn ends it
	// and is returned. queue.ErrGone if a given ID is not in the queue; the others are listed all the same.
	List(ctx context.Context, s Selection, fn func(Message) error) error
	// Content writes a message as it goes out. queue.ErrGone if it is not in the queue; an *IDError if it cannot be read to
	// its end: then w has what can be read. Any other error comes from w, or says that the queue cannot be asked any more.
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
	Schedule func() queue.Schedule                                            // nil: mail expires when its envelope says
	Log      *slog.Logger                                                     // deletions are logged: they are the one way in which mail ends unseen
	OnClose  func() error                                                     // nil: the store belongs to somebody else
}

// page is how many messages are read from the store, and changed in it, at a time.
const page = 500

// List implements [Queue].
func (d *Direct) List(ctx context.Context, s Selection, fn func(Message) error) error {
	var ended error // by fn
	err := d.pages(ctx, s, func(items []queue.Item) error {
		for i := range items {
			if ended == nil {
				ended = fn(d.message(&items[i]))
			}
		}
		return ended
	})
	if ended != nil {
		return ended
	}
	return err
}

// message shows an item. It expires with the first of its recipients.
func (d *Direct) message(item *queue.Item) Message {
	m := newMessage(item)
	if d.Schedule != nil {
		schedule := d.Schedule()
		m.Expires = schedule.Ends(item).UTC()
	}
	return m
}

// pages calls fn with the selected items, a page at a time, until it fails. The place in the queue is kept by ID, so fn may delete
// what it gets. Mail that comes in meanwhile is not waited for: a page that is not full is the last.
func (d *Direct) pages(ctx context.Context, s Selection, fn func([]queue.Item) error) error {
	if len(s.IDs) > 0 {
		return d.pagesOf(ctx, s.IDs, fn)
	}
	for after := queue.ID(0); ; {
		items, err := d.Store.Scan(ctx, after, page)
		if err != nil || len(items) == 0 {
			return err
		}
		last := len(items) < page
		after = items[len(items)-1].ID
		items = slices.DeleteFunc(items, func(item queue.Item) bool { return !s.matches(&item) })
		if len(items) > 0 {
			err = fn(items)
		}
		if err != nil || last {
			return err
		}
	}
}

// pagesOf goes through all IDs. The errors of those that cannot be read come in the end.
func (d *Direct) pagesOf(ctx context.Context, ids []queue.ID, fn func([]queue.Item) error) error {
	var errs []error
	seen := make(map[queue.ID]bool, len(ids))
	for some := range slices.Chunk(ids, page) {
		var items []queue.Item
		for _, id := range some {
			if seen[id] {
				continue
			}
			seen[id] = true
			item, err := d.Store.Get(ctx, id)
			if err != nil {
				errs = append(errs, &IDError{id, err})
				continue
			}
			items = append(items, item)
		}
		if len(items) == 0 {
			continue
		}
		if err := fn(items); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	return errors.Join(errs...)
}

// Content implements [Queue].
func (d *Direct) Content(ctx context.Context, id queue.ID, w io.Writer) error {
	var body io.ReadCloser
	item, err := d.Store.Get(ctx, id)
	if err == nil {
		body, err = queue.OpenMessage(ctx, d.Store, &item)
	}
	switch {
	case err == nil:
	case errors.Is(err, queue.ErrClosed), ctx.Err() != nil:
		return err // says nothing about the message
	default:
		return &IDError{id, err}
	}
	defer body.Close()
	source := &contentReader{Reader: body}
	_, err = io.Copy(w, source)
	if source.err != nil {
		return &IDError{id, source.err}
	}
	return err
}

// contentReader keeps the error of a reader, to tell it from one of the writer.
type contentReader struct {
	io.Reader
	err error
}

func (r *contentReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// Retry implements [Queue]. A message that ended meanwhile is no failure, unless it was asked for by ID.
func (d *Direct) Retry(ctx context.Context, s Selection) (int, error) {
	n := 0
	var gone []error
	err := d.pages(ctx, s, func(items []queue.Item) error {
		if err := ctx.Err(); err != nil {
			return err // a page that has begun is done to its end
		}
		retried, err := d.RetryNow(ctx, idsOf(items))
		n += retried.Due
		if len(s.IDs) > 0 {
			for _, id := range retried.Gone {
				gone = append(gone, &IDError{id, queue.ErrGone})
			}
		}
		return err
	})
	return n, errors.Join(append(gone, err)...)
}

// Delete implements [Queue].
func (d *Direct) Delete(ctx context.Context, s Selection) (int, error) {
	n := 0
	err := d.pages(ctx, s, func(items []queue.Item) error {
		if err := d.Store.Commit(ctx, &queue.Batch{Delete: idsOf(items)}); err != nil {
			return err
		}
		for i := range items {
			item := &items[i]
			d.Log.Warn("deleted", "id", item.ID, "sender", item.Sender, "recipients", len(item.Recipients))
		}
		n += len(items)
		return nil
	})
	return n, err
}

func idsOf(items []queue.Item) []queue.ID {
	ids := make([]queue.ID, len(items))
	for i := range items {
		ids[i] = items[i].ID
	}
	return ids
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
