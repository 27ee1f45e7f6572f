package spool

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tlsrelay/queue"
	"tlsrelay/queue/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestConformanceOnDisk(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		dir := t.TempDir() + "/data/spool"
		return func() (queue.Store, error) { return Open(dir, Options{Log: quiet()}) }
	})
}

// Small segments have everything cross from one to the next.
func TestConformanceSmallSegments(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener { return newTidyMachine(t, 2000).Open })
}

func TestFaults(t *testing.T) {
	for _, size := range []int64{1500, 12_000} {
		t.Run(fmt.Sprintf("Segments%d", size), func(t *testing.T) {
			storetest.RunFaults(t, func(t *testing.T) storetest.Machine { return newTidyMachine(t, size) })
		})
	}
}

func TestRandom(t *testing.T) {
	for _, size := range []int64{1500, 5000, 40_000} {
		t.Run(fmt.Sprintf("Segments%d", size), func(t *testing.T) {
			storetest.RunRandom(t, func(t *testing.T) storetest.Machine {
				return checkedMachine{newTidyMachine(t, size), t, true}
			}, *seeds, 400)
		})
	}
}

func TestCrowd(t *testing.T) {
	for _, size := range []int64{1500, 20_000} {
		t.Run(fmt.Sprintf("Segments%d", size), func(t *testing.T) {
			storetest.RunCrowd(t, func(t *testing.T) storetest.Machine {
				return checkedMachine{newTidyMachine(t, size), t, false}
			}, *seeds, 8)
		})
	}
}

// seeds is small for everyday runs; -seeds 10000 is a night's campaign.
var seeds = flag.Int("seeds", 15, "how many random courses TestRandom and TestCrowd take, for each of their sizes")

// testItem is a message with one recipient at a.example.
func testItem(n int) queue.Item {
	return queue.Item{
		ID: queue.ID(n), Sender: "s@example.org", Arrived: time.Unix(1e9, 0).UTC(),
		Recipients: []queue.Recipient{{Address: "u@a.example", Destination: "a.example"}},
	}
}

func put(s queue.Store, it queue.Item, text string) error {
	body, err := s.NewBody(ctx)
	if err != nil {
		return err
	}
	defer body.Discard()
	if _, err := body.Write([]byte(text)); err != nil {
		return err
	}
	return s.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: it, Body: body}}})
}

func remove(s queue.Store, n int) error {
	return s.Commit(ctx, &queue.Batch{Delete: []queue.ID{queue.ID(n)}})
}

// finish has the only recipient of message n delivered.
func finish(s queue.Store, n int) error {
	key := queue.JobKey{ID: queue.ID(n), Destination: "a.example"}
	it, tok, err := s.Claim(ctx, "test", key)
	if err != nil {
		return err
	}
	it.Recipients[0].State = queue.Delivered
	err = s.Commit(ctx, &queue.Batch{Update: []queue.Update{{Job: key, Token: tok,
		Recipients: []queue.RecipientUpdate{{Index: 0, Recipient: it.Recipients[0]}}}}})
	if err != nil {
		err = errors.Join(err, s.Release(ctx, key, tok))
	}
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, m *memFS) *Store {
	t.Helper()
	s, err := Open("mem", m.opts)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// wantIDs checks which messages are there.
func wantIDs(t *testing.T, s *Store, want ...queue.ID) {
	t.Helper()
	items, err := s.Scan(ctx, 0, 1000)
	must(t, err)
	var got []queue.ID
	for _, it := range items {
		got = append(got, it.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("messages %v, want %v", got, want)
	}
}

func readAll(s *Store, id queue.ID) (string, error) {
	r, err := s.Open(ctx, id)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), errors.Join(err, r.Close())
}

// textPlace says where the text of a message lies, which is not in a file of its own.
func textPlace(s *Store, id queue.ID) (name string, off int64) {
	v, _ := s.look(id)
	accept, err := s.readRecord(v.accept, recAccept, id)
	if err != nil {
		panic(err)
	}
	return segmentName(v.accept.seg), int64(v.accept.off) + int64(v.size) - accept.text.size
}
