package spool

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/queue"
)

// fullItem has a value in every field.
func fullItem() queue.Item {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	outcome := queue.Outcome{
		Result: queue.ResultFailed, Cause: "tls-version", Status: "5.7.5", Stage: queue.StageTLS,
		Reply: "454 no\nsecond line \xff\x00", Detail: "handshake failure", Host: "mx.example", Remote: "[2001:db8::1]:25",
		TLS:   queue.TLSFacts{Version: "1.3", Cipher: "c", Group: "g", Seen: "alert 70", Floor: "1.2", Broken: true, Proven: true},
		DSN:   true,
		Start: at, End: at.Add(1500 * time.Millisecond),
	}
	evidence := []queue.Evidence{
		{Host: "mx.example", Remote: "[2001:db8::1]:25", Cause: "tls-version", Seen: "alert 70", Needed: "1.2", Probed: at,
			Offers: "TLS 1.0, TLS 1.1", KeyExchange: "ECDHE", Proven: true, First: at, Last: at.Add(time.Hour), Attempts: 7,
			Certificate: queue.CertificateFacts{Names: "mx.example", Issuer: "CA \xff", NotBefore: at, NotAfter: at.AddDate(1, 0, 0)}},
		{Remote: "192.0.2.1:25", Attempts: 1},
	}
	return queue.Item{
		ID: 1<<63 + 5, Sender: "bounce+\"a b\"@example.org", Size: 50 << 20, Arrived: at, Expires: at.Add(72 * time.Hour),
		SMTPUTF8: true, RequireTLS: true, Return: queue.ReturnHeaders, EnvelopeID: "QQ+314=159",
		EightBit: true, Account: "shop", Client: "192.0.2.1:4711",
		Header: "DKIM-Signature: v=1;\r\n b=x\r\n",
		Recipients: []queue.Recipient{
			{Address: "a@a.example", Destination: "a.example", NextAttempt: at, Notify: queue.NotifySuccess | queue.NotifyDelay,
				OriginalRecipient: "rfc822;b@c.example"},
			{Address: "b@b.example", Destination: "b.example", State: queue.Failed, Attempts: 70, NextAttempt: at,
				DelayTold: true, TLSFailed: true, Last: outcome, Evidence: evidence},
			{Address: "d@b.example", Destination: "b.example", State: queue.Queued, Attempts: 70, NextAttempt: at, Last: outcome,
				Evidence: evidence},
			{Address: "e@e.example", Destination: "e.example", Attempts: 1, NextAttempt: at, Evidence: evidence[1:]},
			{Address: "c@b.example", Destination: "b.example", State: queue.Delivered,
				Last: queue.Outcome{Result: queue.ResultDelivered}},
		},
	}
}

func encodeItem(it *queue.Item) []byte { return appendItem(nil, it) }

func decodeItem(b []byte) (queue.Item, error) {
	d := decoder{s: string(b)}
	it := d.item()
	if d.bad || len(d.s) > 0 {
		return queue.Item{}, errCodec
	}
	return it, nil
}

func TestItemRoundTrip(t *testing.T) {
	for name, it := range map[string]queue.Item{
		"full":   fullItem(),
		"sparse": {ID: 1, Recipients: []queue.Recipient{{}}},
		"epoch": {ID: 2, Arrived: time.Unix(0, 0).UTC(), Expires: time.Unix(-1, 1).UTC(), Size: -1,
			Recipients: []queue.Recipient{}},
	} {
		enc := encodeItem(&it)
		got, err := decodeItem(enc)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(it, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got.Arrived != it.Arrived {
			t.Errorf("%s: the time %v came back as %v: not the same with ==", name, it.Arrived, got.Arrived)
		}
	}
}

// What is not a state to store, or no state at all, becomes one that loses no mail.
func TestItemStates(t *testing.T) {
	it := queue.Item{ID: 1, Recipients: []queue.Recipient{
		{State: queue.Active}, {State: 77}, {Last: queue.Outcome{Result: 3, Cause: "c"}},
	}}
	got, err := decodeItem(encodeItem(&it))
	if err != nil {
		t.Fatal(err)
	}
	r := got.Recipients
	if r[0].State != queue.Queued || r[1].State != queue.Queued || r[2].Last.Result != queue.ResultDeferred {
		t.Errorf("got %+v", r)
	}
}

func TestItemDamaged(t *testing.T) {
	it := fullItem()
	enc := encodeItem(&it)
	for n := range enc {
		if _, err := decodeItem(enc[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken for an item", n, len(enc))
		}
	}
	bad := map[string]func(b []byte) []byte{
		"trailing byte":     func(b []byte) []byte { return append(b, 0) },
		"newer version":     func(b []byte) []byte { b[0]++; return b },
		"unknown item flag": func(b []byte) []byte { b[9] = 0x80; return b },
		"unknown return":    func(b []byte) []byte { b[9] = 3 << returnShift; return b },
	}
	for name, damage := range bad {
		if _, err := decodeItem(damage(bytes.Clone(enc))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDecoderLimits(t *testing.T) {
	for name, in := range map[string]string{
		"endless varint": "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"over 64 bits":   "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
		"cut off":        "\x80",
		"empty":          "",
	} {
		if d := (decoder{s: in}); d.uvarint() != 0 || !d.bad {
			t.Errorf("%s: no error", name)
		}
	}
	if d := (decoder{s: "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}); d.uvarint() != 1<<64-1 || d.bad {
		t.Error("the largest number did not come back")
	}
	if d := (decoder{s: "\xff\xff\xff\xff\x0f" + "abc"}); d.string() != "" || !d.bad {
		t.Error("a string longer than what is there: no error")
	}
}

func FuzzItem(f *testing.F) {
	it := fullItem()
	f.Add(encodeItem(&it))
	f.Add(encodeItem(&queue.Item{ID: 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		it, err := decodeItem(b)
		if err != nil {
			return
		}
		again, err := decodeItem(encodeItem(&it))
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		if diff := cmp.Diff(it, again); diff != "" {
			t.Fatalf("not the same again:\n%s", diff)
		}
	})
}
