package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/queue/spool"
)

// fill stores messages 1 to n, in turn for one.test and two.test.
func fill(t testing.TB, store queue.Store, n int) {
	t.Helper()
	for batch := (&queue.Batch{}); n > 0; n-- {
		body, err := store.NewBody(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		destination := []string{"one.test", "two.test"}[n%2]
		batch.Put = append(batch.Put, queue.Put{Body: body, Item: queue.Item{
			ID: queue.ID(n), Sender: "a@app.test", Arrived: arrived, Expires: arrived.Add(72 * time.Hour),
			Recipients: []queue.Recipient{{Address: "x@" + destination, Destination: destination, NextAttempt: arrived.Add(time.Hour)}},
		}})
		if len(batch.Put) == page || n == 1 {
			if err := store.Commit(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			batch = &queue.Batch{}
		}
	}
}

func TestDeleteInPages(t *testing.T) {
	for _, way := range []string{"direct", "socket"} {
		t.Run(way, func(t *testing.T) {
			r := newRig(t)
			const messages = 2*page + 300
			fill(t, r.store, messages)
			commits := 0
			r.store.deleting = func(context.Context, []queue.ID) error { commits++; return nil }
			if n, err := r.ways[way].Delete(t.Context(), Selection{Domain: "one.test"}); n != messages/2 || err != nil {
				t.Errorf("the messages for one domain: %d, %v", n, err)
			}
			if n, err := r.ways[way].Delete(t.Context(), Selection{All: true}); n != messages/2 || err != nil {
				t.Errorf("all others: %d, %v", n, err)
			}
			if commits != 3+2 {
				t.Errorf("%d commits", commits)
			}
			if left := list(t, r.ways[way], Selection{All: true}); left != "" {
				t.Errorf("left: %s", left)
			}
			for id := range queue.ID(messages) {
				if n := strings.Count(r.log.String(), "msg=deleted id="+(id+1).String()+" sender=a@app.test recipients=1\n"); n != 1 {
					t.Fatalf("%d lines in the log name message %v", n, id+1)
				}
			}
		})
	}
}

func TestDeleteEndsWhileMailComesIn(t *testing.T) {
	r := newRig(t)
	fill(t, r.store, 2*page)
	next := queue.ID(10 * page)
	r.store.deleting = func(context.Context, []queue.ID) error {
		next++
		r.put(t, next, "a@app.test", "x@one.test")
		return nil
	}
	if n, err := r.ways["socket"].Delete(t.Context(), Selection{All: true}); n != 2*page+2 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
	if left := list(t, r.ways["direct"], Selection{All: true}); left != fmt.Sprint(uint64(next)) {
		t.Errorf("left: %s", left)
	}
}

func TestDeleteThatFailsHalfWay(t *testing.T) {
	r := newRig(t)
	fill(t, r.store, page+3)
	r.store.deleting = func(ctx context.Context, ids []queue.ID) error {
		if len(ids) < page {
			return queue.ErrFull
		}
		return nil
	}
	n, err := r.ways["socket"].Delete(t.Context(), Selection{All: true})
	if n != page || err == nil || !strings.Contains(err.Error(), queue.ErrFull.Error()) {
		t.Errorf("deleted %d, %v", n, err)
	}
	if lines := strings.Count(r.log.String(), "msg=deleted"); lines != page {
		t.Errorf("%d lines in the log", lines)
	}
}

// An operator who interrupts the command stops it.
func TestDeleteStopsWithItsCaller(t *testing.T) {
	r := newRig(t)
	fill(t, r.store, 3*page)
	caller, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	r.store.deleting = func(ctx context.Context, ids []queue.ID) error {
		if slices.Contains(ids, page+1) { // in the second page
			cancel()
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
			ended <- ctx.Err()
		}
		return ctx.Err()
	}
	if _, err := r.ways["socket"].Delete(caller, Selection{All: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller got %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the relay did not see that the caller is gone")
	}
	if left := strings.Fields(list(t, r.ways["direct"], Selection{All: true})); len(left) != 2*page {
		t.Errorf("%d messages are left", len(left))
	}
}

func TestRetryInPages(t *testing.T) {
	r := newRig(t)
	const messages = 2*page + 8
	fill(t, r.store, messages)
	r.vanished = page + 1
	n, err := r.ways["socket"].Retry(t.Context(), Selection{All: true})
	if n != messages*3/4-1 || err != nil || len(r.retried) != messages {
		t.Errorf("retried %d of %d looked at, %v", n, len(r.retried), err)
	}
	ids := append(slices.Clone(r.retried), messages+1) // the last one is not there
	n, err = r.ways["socket"].Retry(t.Context(), Selection{IDs: ids})
	if n != messages*3/4-1 || !errors.Is(err, queue.ErrGone) {
		t.Errorf("retried %d by ID, %v", n, err)
	}
	for _, id := range []queue.ID{r.vanished, messages + 1} {
		if err == nil || strings.Count(err.Error(), id.String()+": ") != 1 {
			t.Errorf("the error does not name %v: %v", id, err)
		}
	}
}

// BenchmarkChanges makes the messages of a queue due and deletes them.
func BenchmarkChanges(b *testing.B) {
	const messages = 50_000
	store, err := spool.Open(b.TempDir(), spool.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	now := arrived
	d := &Direct{
		Store: store, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		RetryNow: func(ctx context.Context, ids []queue.ID) (queue.Retried, error) {
			return queue.RetryNow(ctx, store, "bench", ids, now)
		},
	}
	for b.Loop() {
		fill(b, store, messages)
		measure(b, "retries/s", messages, d.Retry)
		measure(b, "deletions/s", messages, d.Delete)
	}
}

func measure(b *testing.B, unit string, messages int, do func(context.Context, Selection) (int, error)) {
	began := time.Now()
	if n, err := do(b.Context(), Selection{All: true}); n != messages || err != nil {
		b.Fatalf("%s: %d messages, %v", unit, n, err)
	}
	b.ReportMetric(float64(messages)/time.Since(began).Seconds(), unit)
}
