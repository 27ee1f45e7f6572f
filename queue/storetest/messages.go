package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"tlsrelay/queue"
)

func testPutGetOpen(b *bench) {
	it, text := mail(1, 4000, "a.example", "b.example")
	it.Recipients[1] = deferred(it.Recipients[1])
	b.put(it, text)
	b.wantItem(it)
	b.wantText(it.ID, text)
	_, err := b.store.Get(ctx, it.ID+1)
	b.wantError(err, queue.ErrGone)
	_, err = b.store.Open(ctx, it.ID+1)
	b.wantError(err, queue.ErrGone)

	empty := queue.Item{ID: 5, Recipients: []queue.Recipient{{Address: "u", Destination: "d"}}}
	b.put(empty, nil)
	b.wantItem(empty)
	b.wantText(5, nil)
}

func testBodies(b *bench) {
	for n, size := range []int{0, 1, 8191, 8192, 8193, 100_000, 1_300_000} {
		it, text := mail(n+1, size, "a.example")
		body, err := b.store.NewBody(ctx)
		b.must(err)
		for rest := text; len(rest) > 0; {
			n, err := body.Write(rest[:min(len(rest), 7777)])
			b.must(err)
			rest = rest[n:]
		}
		if body.Size() != int64(size) {
			b.Fatalf("size %d, want %d", body.Size(), size)
		}
		b.must(b.store.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: it, Body: body}}}))
		b.wantText(it.ID, text)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if got, err := readMail(b.store, it.ID); err != nil || string(got) != string(text) {
					b.Errorf("one of several readers of %d bytes: got %d, %v", size, len(got), err)
				}
			})
		}
		wg.Wait()
	}
}

func testBodyLife(b *bench) {
	it, text := mail(1, 5000, "a.example")
	body, err := writeBody(b.store, text)
	b.must(err)
	b.must(b.store.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: it, Body: body}}}))
	body.Discard() // no effect
	b.wantText(it.ID, text)

	other, otherText := mail(2, 5000, "a.example")
	if err := b.store.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: other, Body: body}}}); err == nil {
		b.Fatal("a body was committed twice")
	}
	gone, err := writeBody(b.store, text)
	b.must(err)
	gone.Discard()
	gone.Discard()
	if err := b.store.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: other, Body: gone}}}); err == nil {
		b.Fatal("a discarded body was committed")
	}
	b.put(other, otherText)
	b.wantText(other.ID, otherText)
	b.wantText(it.ID, text)
}

func testNoAliases(b *bench) {
	it, text := mail(1, 100, "a.example", "b.example")
	want := it.Clone()
	b.put(it, text)
	it.Recipients[0].Address = "changed by the caller"
	b.wantItem(want)
	got := b.get(it.ID)
	got.Recipients[0].Address = "changed by a reader"
	b.wantItem(want)
	claimed, tok := b.claim(job(want, 0))
	claimed.Recipients[0].Address = "changed by a claimer"
	b.must(b.store.Release(ctx, job(want, 0), tok))
	b.wantItem(want)
}

func testReopen(b *bench) {
	kept, keptText := mail(1, 4000, "a.example", "b.example")
	done, doneText := mail(2, 4000, "a.example")
	deleted, deletedText := mail(3, 4000, "a.example")
	b.put(kept, keptText)
	b.put(done, doneText)
	b.put(deleted, deletedText)
	_, tok := b.claim(job(kept, 1))
	kept.Recipients[1] = deferred(kept.Recipients[1])
	b.must(b.update(update(kept, 1, tok, kept.Recipients[1])))
	_, tok = b.claim(job(done, 0))
	b.must(b.update(update(done, 0, tok, delivered(done.Recipients[0]))))
	b.must(b.store.Commit(ctx, &queue.Batch{Delete: []queue.ID{deleted.ID}}))
	b.claim(job(kept, 0)) // gone with the process
	for range 3 {
		b.reopen()
		b.wantItem(kept)
		b.wantText(kept.ID, keptText)
		b.wantGone(done.ID)
		b.wantGone(deleted.ID)
	}
	_, tok = b.claim(job(kept, 0))
	b.must(b.update(update(kept, 0, tok, delivered(kept.Recipients[0]))))
}

func testBatchIsAtomic(b *bench) {
	old, text := mail(1, 100, "a.example", "b.example")
	b.put(old, text)
	doomed, _ := mail(2, 100, "a.example")
	b.put(doomed, text)
	_, good := b.claim(job(old, 0))
	_, stale := b.claim(job(old, 1))
	b.must(b.store.Release(ctx, job(old, 1), stale))
	fresh, freshText := mail(3, 100, "a.example")
	body, err := writeBody(b.store, freshText)
	b.must(err)
	batch := &queue.Batch{
		Put: []queue.Put{{Item: fresh, Body: body}},
		Update: []queue.Update{
			update(old, 0, good, deferred(old.Recipients[0])),
			update(old, 1, stale, deferred(old.Recipients[1])),
		},
		Delete: []queue.ID{doomed.ID},
	}
	b.wantError(b.store.Commit(ctx, batch), queue.ErrGone)
	check := func() {
		b.wantGone(fresh.ID)
		b.must(b.store.Release(ctx, job(old, 0), good))
		b.wantItem(old)
		b.wantItem(doomed)
	}
	_, _, err = b.store.Claim(ctx, "test", job(old, 0))
	b.wantError(err, queue.ErrClaimed) // a refused update ends no claim
	check()
	_, batch.Update[0].Token = b.claim(job(old, 0))
	batch.Update = batch.Update[:1]
	b.must(b.store.Commit(ctx, batch)) // the body is still good
	b.wantText(fresh.ID, freshText)
	b.wantGone(doomed.ID)
}

func testBatchOfMany(b *bench) {
	batch := &queue.Batch{}
	var ids []queue.ID
	texts := make(map[queue.ID][]byte)
	for n := 1; n <= 200; n++ {
		it, text := mail(n, n*37, "a.example")
		body, err := writeBody(b.store, text)
		b.must(err)
		batch.Put = append(batch.Put, queue.Put{Item: it, Body: body})
		texts[it.ID] = text
		ids = append(ids, it.ID)
	}
	b.must(b.store.Commit(ctx, batch))
	b.must(b.store.Commit(ctx, &queue.Batch{})) // nothing to do is no error
	b.reopen()
	for id, text := range texts {
		b.wantText(id, text)
	}
	b.must(b.store.Commit(ctx, &queue.Batch{Delete: ids}))
	if left := b.all(); len(left) != 0 {
		b.Fatalf("%d messages are left", len(left))
	}
}

func testEndedContext(b *bench) {
	it, text := mail(1, 100, "a.example")
	body, err := writeBody(b.store, text)
	b.must(err)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	b.wantError(b.store.Commit(ended, &queue.Batch{Put: []queue.Put{{Item: it, Body: body}}}), context.Canceled)
	b.wantGone(it.ID)
	body.Discard()
}

func testDelete(b *bench) {
	it, text := mail(1, 100, "a.example")
	b.put(it, text)
	b.must(b.store.Commit(ctx, &queue.Batch{Delete: []queue.ID{it.ID, it.ID, 99}}))
	b.wantGone(it.ID)
	b.must(b.store.Commit(ctx, &queue.Batch{Delete: []queue.ID{it.ID}}))
	b.reopen()
	b.wantGone(it.ID)
}

func testClosed(b *bench) {
	it, text := mail(1, 100_000, "a.example")
	b.put(it, text)
	reader, err := b.store.Open(ctx, it.ID)
	b.must(err)
	b.must(b.store.Close())
	got, err := io.ReadAll(reader)
	if err = errors.Join(err, reader.Close()); err != nil || !bytes.Equal(got, text) {
		b.Fatalf("a reader opened before Close got %d bytes, %v", len(got), err)
	}
	_, err = b.store.NewBody(ctx)
	b.wantError(err, queue.ErrClosed)
	b.wantError(b.store.Commit(ctx, &queue.Batch{Delete: []queue.ID{1}}), queue.ErrClosed)
	_, err = b.store.Open(ctx, it.ID)
	b.wantError(err, queue.ErrClosed)
	_, err = b.store.Get(ctx, it.ID)
	b.wantError(err, queue.ErrClosed)
	_, err = b.store.Scan(ctx, 0, 10)
	b.wantError(err, queue.ErrClosed)
	_, _, err = b.store.Claim(ctx, "test", job(it, 0))
	b.wantError(err, queue.ErrClosed)
	b.wantError(b.store.Release(ctx, job(it, 0), 1), queue.ErrClosed)
}
