package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/queue"
)

// bench is one store under test, with helpers that end the test on an error.
type bench struct {
	*testing.T
	opener Opener
	store  queue.Store
}

func (b *bench) open() {
	b.Helper()
	var err error
	if b.store, err = b.opener(); err != nil {
		b.Fatalf("open: %v", err)
	}
}

func (b *bench) reopen() {
	b.Helper()
	b.must(b.store.Close())
	b.open()
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) wantError(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Fatalf("error %v, want %v", err, want)
	}
}

func (b *bench) put(it queue.Item, text []byte) {
	b.Helper()
	b.must(putMail(b.store, it, text))
}

func (b *bench) claim(job queue.JobKey) (queue.Item, queue.Token) {
	b.Helper()
	it, tok, err := b.store.Claim(ctx, "test", job)
	b.must(err)
	return it, tok
}

func (b *bench) get(id queue.ID) queue.Item {
	b.Helper()
	it, err := b.store.Get(ctx, id)
	b.must(err)
	return it
}

func (b *bench) wantItem(want queue.Item) {
	b.Helper()
	if diff := cmp.Diff(want, b.get(want.ID)); diff != "" {
		b.Fatalf("item (-want +got):\n%s", diff)
	}
}

func (b *bench) wantText(id queue.ID, want []byte) {
	b.Helper()
	got, err := readMail(b.store, id)
	b.must(err)
	if !bytes.Equal(got, want) {
		b.Fatalf("message %s: %d bytes came back, not the %d that were stored", id, len(got), len(want))
	}
}

// wantGone checks that nothing of a message can be seen.
func (b *bench) wantGone(id queue.ID) {
	b.Helper()
	_, err := b.store.Get(ctx, id)
	b.wantError(err, queue.ErrGone)
	_, err = b.store.Open(ctx, id)
	b.wantError(err, queue.ErrGone)
	for _, it := range b.all() {
		if it.ID == id {
			b.Fatalf("message %s is still listed", id)
		}
	}
}

func (b *bench) all() []queue.Item {
	b.Helper()
	items, err := scanAll(b.store, 7)
	b.must(err)
	return items
}

var ctx = context.Background()

func putMail(s queue.Store, it queue.Item, text []byte) error {
	body, err := writeBody(s, text)
	if err != nil {
		return err
	}
	defer body.Discard()
	return s.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: it, Body: body}}})
}

func writeBody(s queue.Store, text []byte) (queue.Body, error) {
	body, err := s.NewBody(ctx)
	if err == nil {
		_, err = body.Write(text)
	}
	return body, err
}

func readMail(s queue.Store, id queue.ID) ([]byte, error) {
	r, err := s.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	return text, errors.Join(err, r.Close())
}

func scanAll(s queue.Store, page int) ([]queue.Item, error) {
	var all []queue.Item
	for after := queue.ID(0); ; {
		items, err := s.Scan(ctx, after, page)
		if err != nil || len(items) == 0 {
			return all, err
		}
		for _, it := range items {
			if it.ID <= after {
				return all, fmt.Errorf("scan: %s stands behind %s", it.ID, after)
			}
			after = it.ID
		}
		all = append(all, items...)
	}
}

// mail makes an item with one recipient at each destination, and its text of size bytes.
func mail(n, size int, destinations ...string) (queue.Item, []byte) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC).Add(time.Duration(n) * time.Second)
	it := queue.Item{
		ID: queue.ID(n) << 12, Sender: fmt.Sprintf("sender%d@example.org", n), Size: int64(size),
		Arrived: start, Expires: start.Add(72 * time.Hour),
		EightBit: n%2 == 0, Account: "shop", Client: "192.0.2.7:4711", Header: strings.Repeat("X: y\r\n", n%3),
	}
	it.Return, it.EnvelopeID = queue.Return(n%3), "QQ"
	for i, d := range destinations {
		it.Recipients = append(it.Recipients, queue.Recipient{
			Address: fmt.Sprintf("user%d@%s", i, d), Destination: d, NextAttempt: start,
			Notify: queue.NotifySuccess, OriginalRecipient: "rfc822;u@" + d,
		})
	}
	text := make([]byte, size)
	for i := range text {
		text[i] = byte(i*7 + i>>8 + n)
	}
	return it, text
}

// deferred gives r after a failed attempt, every field filled in.
func deferred(r queue.Recipient) queue.Recipient {
	r.State = queue.Queued
	r.Attempts++
	r.DelayTold, r.TLSFailed = true, true
	start := r.NextAttempt
	r.NextAttempt = start.Add(5 * time.Minute)
	r.Last = queue.Outcome{
		Result: queue.ResultDeferred, Cause: "tls-version", Status: "4.7.5", Stage: queue.StageTLS,
		Reply: "220 ready\nnow \x00\xff", Detail: "remote error: tls: protocol version not supported",
		Host: "mx." + r.Destination, Remote: "192.0.2.25:25",
		TLS: queue.TLSFacts{Version: "1.3", Cipher: "TLS_AES_128_GCM_SHA256", Group: "X25519MLKEM768",
			Seen: "alert 70 (protocol version)", Floor: "1.2", Broken: true, Proven: true},
		Start: start, End: start.Add(time.Second),
	}
	r.Evidence = []queue.Evidence{evidence("mx."+r.Destination, start)}
	return r
}

// evidence is what an attempt and a probe saw at a host, every field filled in.
func evidence(host string, at time.Time) queue.Evidence {
	return queue.Evidence{
		Host: host, Remote: "192.0.2.25:25", Cause: "tls-version", Seen: "alert 70 (protocol version)", Needed: "1.2",
		Probed: at.Add(time.Second), Offers: "TLS 1.0, TLS 1.1", KeyExchange: "ECDHE, DHE, RSA", Proven: true,
		Certificate: queue.CertificateFacts{Names: host + " \x00\xff", Issuer: "An Authority", NotBefore: at, NotAfter: at.AddDate(1, 0, 0)},
		First:       at, Last: at.Add(time.Minute), Attempts: 2,
	}
}

// delivered gives r after its last attempt.
func delivered(r queue.Recipient) queue.Recipient {
	r.State = queue.Delivered
	r.Attempts++
	r.Last = queue.Outcome{
		Result: queue.ResultDelivered, Status: "2.0.0", Stage: queue.StageDot, Host: "mx." + r.Destination,
	}
	return r
}

// job names the job of it for the destination of recipient i.
func job(it queue.Item, i int) queue.JobKey {
	return queue.JobKey{ID: it.ID, Destination: it.Recipients[i].Destination}
}

// update changes recipient i alone.
func update(it queue.Item, i int, tok queue.Token, r queue.Recipient) queue.Update {
	return queue.Update{Job: job(it, i), Token: tok, Recipients: []queue.RecipientUpdate{{Index: i, Recipient: r}}}
}

func (b *bench) update(u ...queue.Update) error { return b.store.Commit(ctx, &queue.Batch{Update: u}) }
