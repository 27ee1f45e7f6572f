package storetest

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"tlsrelay/queue"
)

// testManyClients has clients that put, claim, update and delete while others list and read.
func testManyClients(b *bench) {
	const clients, each = 16, 25
	var writers, readers sync.WaitGroup
	var stop atomic.Bool
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				if _, err := scanAll(b.store, 50); err != nil {
					b.Errorf("scan: %v", err)
					return
				}
			}
		})
	}
	for c := range clients {
		writers.Go(func() {
			for i := range each {
				if err := oneLife(b.store, 1+c*each+i, i%4); err != nil {
					b.Errorf("client %d, message %d: %v", c, i, err)
					return
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	check := func() {
		b.Helper()
		if items := b.all(); len(items) != clients*7 { // i%4 == 0 stays: 7 of 25
			b.Fatalf("%d messages are left, want %d", len(items), clients*7)
		}
	}
	check()
	b.reopen()
	check()
}

// oneLife takes a message as far as stage: stored and deferred, done, deleted, or replaced by a notice that is done
// too.
func oneLife(s queue.Store, n, stage int) error {
	it, text := mail(n, 100+n*13, "a.example")
	if err := putMail(s, it, text); err != nil {
		return err
	}
	if got, err := readMail(s, it.ID); err != nil || !bytes.Equal(got, text) {
		return fmt.Errorf("read back %d of %d bytes: %w", len(got), len(text), err)
	}
	if stage == 2 {
		return s.Commit(ctx, &queue.Batch{Delete: []queue.ID{it.ID}})
	}
	_, tok, err := s.Claim(ctx, "test", job(it, 0))
	if err != nil {
		return err
	}
	switch stage {
	case 0:
		return s.Commit(ctx, &queue.Batch{Update: []queue.Update{update(it, 0, tok, deferred(it.Recipients[0]))}})
	case 1:
		return s.Commit(ctx, &queue.Batch{Update: []queue.Update{update(it, 0, tok, delivered(it.Recipients[0]))}})
	}
	notice, noticeText := mail(n+100_000, 500, "example.org")
	body, err := writeBody(s, noticeText)
	if err != nil {
		return err
	}
	err = s.Commit(ctx, &queue.Batch{
		Put:    []queue.Put{{Item: notice, Body: body}},
		Update: []queue.Update{update(it, 0, tok, delivered(it.Recipients[0]))},
	})
	if err != nil {
		return err
	}
	if _, tok, err = s.Claim(ctx, "test", job(notice, 0)); err != nil {
		return err
	}
	return s.Commit(ctx, &queue.Batch{Update: []queue.Update{update(notice, 0, tok, delivered(notice.Recipients[0]))}})
}

// testJobsOfOneItemAtOnce ends all jobs of one message at the same time: none may undo what another did.
func testJobsOfOneItemAtOnce(b *bench) {
	const jobs = 40
	var destinations []string
	for i := range jobs {
		destinations = append(destinations, fmt.Sprintf("d%d.example", i))
	}
	it, text := mail(1, 100, destinations...)
	b.put(it, text)
	round := func(next func(queue.Recipient) queue.Recipient) {
		b.Helper()
		var wg sync.WaitGroup
		for i := range jobs {
			wg.Go(func() {
				got, tok, err := b.store.Claim(ctx, "test", job(it, i))
				if err == nil {
					err = b.update(update(it, i, tok, next(got.Recipients[i])))
				}
				if err != nil {
					b.Errorf("job %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	}
	round(deferred)
	for i := range it.Recipients {
		it.Recipients[i] = deferred(it.Recipients[i])
	}
	b.wantItem(it)
	b.reopen()
	b.wantItem(it)
	round(delivered)
	b.wantGone(it.ID)
}
