package storetest

import (
	"io"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/queue"
)

func testClaim(b *bench) {
	it, text := mail(1, 100, "a.example", "b.example")
	b.put(it, text)
	got, first := b.claim(job(it, 0))
	if diff := cmp.Diff(it, got); diff != "" {
		b.Fatalf("claimed item (-want +got):\n%s", diff)
	}
	_, _, err := b.store.Claim(ctx, "test", job(it, 0))
	b.wantError(err, queue.ErrClaimed)
	b.claim(job(it, 1)) // the other job is free
	b.must(b.store.Release(ctx, job(it, 0), first+1))
	_, _, err = b.store.Claim(ctx, "test", job(it, 0))
	b.wantError(err, queue.ErrClaimed) // a foreign token releases nothing
	b.must(b.store.Release(ctx, job(it, 0), first))
	b.must(b.store.Release(ctx, job(it, 0), first))
	_, second := b.claim(job(it, 0))
	if second <= first {
		b.Fatalf("token %d follows %d", second, first)
	}
}

func testClaimOfNothing(b *bench) {
	it, text := mail(1, 100, "a.example", "b.example")
	b.put(it, text)
	elsewhere, unknown := job(it, 0), job(it, 0)
	elsewhere.Destination = "c.example"
	unknown.ID++
	for _, key := range []queue.JobKey{elsewhere, unknown, {}} {
		_, _, err := b.store.Claim(ctx, "test", key)
		b.wantError(err, queue.ErrGone)
	}
	_, tok := b.claim(job(it, 0))
	b.must(b.update(update(it, 0, tok, delivered(it.Recipients[0]))))
	_, _, err := b.store.Claim(ctx, "test", job(it, 0))
	b.wantError(err, queue.ErrGone)
	b.claim(job(it, 1))
}

func testStaleToken(b *bench) {
	it, text := mail(1, 100, "a.example")
	b.put(it, text)
	b.wantError(b.update(update(it, 0, 0, delivered(it.Recipients[0]))), queue.ErrGone) // never claimed
	_, stale := b.claim(job(it, 0))
	b.must(b.store.Release(ctx, job(it, 0), stale))
	_, tok := b.claim(job(it, 0))
	b.wantError(b.update(update(it, 0, stale, delivered(it.Recipients[0]))), queue.ErrGone)
	next := deferred(it.Recipients[0])
	twice := update(it, 0, tok, next)
	b.wantError(b.update(twice, twice), queue.ErrGone) // the first of them ends the claim
	b.must(b.update(update(it, 0, tok, next)))
	b.wantError(b.update(update(it, 0, tok, delivered(next))), queue.ErrGone)
	it.Recipients[0] = next
	b.wantItem(it)
	b.wantError(b.update(queue.Update{Job: queue.JobKey{ID: 9, Destination: "a.example"}, Token: tok}), queue.ErrGone)
}

func testUpdatesMerge(b *bench) {
	it, text := mail(1, 100, "a.example", "b.example", "a.example")
	b.put(it, text)
	_, tokA := b.claim(job(it, 0))
	_, tokB := b.claim(job(it, 1))
	a0, a2, b1 := deferred(it.Recipients[0]), delivered(it.Recipients[2]), delivered(it.Recipients[1])
	b.must(b.update(update(it, 1, tokB, b1)))
	b.must(b.update(queue.Update{Job: job(it, 0), Token: tokA, Recipients: []queue.RecipientUpdate{
		{Index: 0, Recipient: a0}, {Index: 2, Recipient: a2},
	}}))
	it.Recipients = []queue.Recipient{a0, b1, a2}
	b.wantItem(it)
	b.reopen()
	b.wantItem(it)
	_, tok := b.claim(job(it, 0))
	b.must(b.update(update(it, 0, tok, delivered(a0))))
	b.wantGone(it.ID)
	b.reopen()
	b.wantGone(it.ID)
}

func testUpdateWithNotice(b *bench) {
	it, text := mail(1, 100, "a.example")
	b.put(it, text)
	_, tok := b.claim(job(it, 0))
	notice, noticeText := mail(2, 900, "example.org")
	body, err := writeBody(b.store, noticeText)
	b.must(err)
	failed := deferred(it.Recipients[0])
	failed.State = queue.Failed
	b.must(b.store.Commit(ctx, &queue.Batch{
		Put:    []queue.Put{{Item: notice, Body: body}},
		Update: []queue.Update{update(it, 0, tok, failed)},
	}))
	b.reopen()
	b.wantGone(it.ID)
	b.wantItem(notice)
	b.wantText(notice.ID, noticeText)
}

func testDeleteWhileClaimed(b *bench) {
	it, text := mail(1, 100, "a.example")
	b.put(it, text)
	_, tok := b.claim(job(it, 0))
	b.must(b.store.Commit(ctx, &queue.Batch{Delete: []queue.ID{it.ID}}))
	b.wantError(b.update(update(it, 0, tok, deferred(it.Recipients[0]))), queue.ErrGone)
	b.must(b.store.Release(ctx, job(it, 0), tok))
	b.reopen()
	b.wantGone(it.ID)
}

func testScanPages(b *bench) {
	const count = 700
	for _, parity := range []int{0, 1} { // the second half comes in between the first
		batch := &queue.Batch{}
		for n := 1 + parity; n <= count; n += 2 {
			it, text := mail(n, 10, "a.example")
			body, err := writeBody(b.store, text)
			b.must(err)
			batch.Put = append(batch.Put, queue.Put{Item: it, Body: body})
		}
		b.must(b.store.Commit(ctx, batch))
	}
	for _, page := range []int{1, 64, 100, count, count + 1} {
		items, err := scanAll(b.store, page)
		b.must(err)
		if len(items) != count {
			b.Fatalf("pages of %d: %d items, want %d", page, len(items), count)
		}
	}
	middle, err := b.store.Scan(ctx, 350<<12+1, 2)
	b.must(err)
	if len(middle) != 2 || middle[0].ID != 351<<12 || middle[1].ID != 352<<12 {
		b.Fatalf("scan behind an ID that is not there gave %v", middle)
	}
	for after, limit := range map[queue.ID]int{0: 0, count << 12: 10, ^queue.ID(0): 10} {
		if items, err := b.store.Scan(ctx, after, limit); err != nil || len(items) != 0 {
			b.Fatalf("scan after %s, limit %d: %d items, %v", after, limit, len(items), err)
		}
	}
}

func testScanShowsActive(b *bench) {
	it, text := mail(1, 100, "a.example", "b.example")
	b.put(it, text)
	_, tok := b.claim(job(it, 1))
	if r := b.all()[0].Recipients; r[0].State != queue.Queued || r[1].State != queue.Active {
		b.Fatalf("states %v, %v, want queued, active", r[0].State, r[1].State)
	}
	active := b.all()[0].Recipients[1]
	b.must(b.update(update(it, 1, tok, active))) // Active is never stored
	if r := b.all()[0].Recipients; r[1].State != queue.Queued {
		b.Fatalf("state %v after the job, want queued", r[1].State)
	}
	b.claim(job(it, 0))
	b.reopen()
	b.wantItem(it)
}

func testReadWhileDone(b *bench) {
	it, text := mail(1, 300_000, "a.example")
	b.put(it, text)
	r, err := b.store.Open(ctx, it.ID)
	b.must(err)
	defer r.Close()
	head := make([]byte, 1000)
	_, err = io.ReadFull(r, head)
	b.must(err)
	b.must(b.store.Commit(ctx, &queue.Batch{Delete: []queue.ID{it.ID}}))
	for n := 2; n < 30; n++ { // enough to make the store tidy up
		next, nextText := mail(n, 100_000, "a.example")
		b.put(next, nextText)
		b.must(b.store.Commit(ctx, &queue.Batch{Delete: []queue.ID{next.ID}}))
	}
	rest, err := io.ReadAll(r)
	b.must(err)
	if string(head)+string(rest) != string(text) {
		b.Fatal("the text changed under the reader")
	}
}
