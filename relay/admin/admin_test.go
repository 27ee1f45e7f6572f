package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tlsrelay/queue"
	"tlsrelay/queue/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var arrived = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// rig is a store with a few messages, asked directly and over the socket.
type rig struct {
	dir      string
	store    *watched
	log      bytes.Buffer
	retried  []queue.ID
	vanished queue.ID // this message ends while it is to be retried
	ways     map[string]Queue
}

// watched is a store that tells of deletions before they are done, and does not do them if that is an error.
type watched struct {
	*spool.Store
	deleting func(ctx context.Context, ids []queue.ID) error
}

func (w *watched) Commit(ctx context.Context, b *queue.Batch) error {
	if len(b.Delete) > 0 && w.deleting != nil {
		if err := w.deleting(ctx, b.Delete); err != nil {
			return err
		}
	}
	return w.Store.Commit(ctx, b)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	store, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := &rig{dir: dir, store: &watched{Store: store}}
	direct := &Direct{Store: r.store, RetryNow: r.retryNow, Log: slog.New(slog.NewTextHandler(&r.log, nil))}
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, direct, testTenants) }()
	client, err := Dial(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	r.ways = map[string]Queue{"direct": direct, "socket": client}
	return r
}

// retryNow takes each fourth message for under way.
func (r *rig) retryNow(_ context.Context, ids []queue.ID) (queue.Retried, error) {
	var result queue.Retried
	for _, id := range ids {
		r.retried = append(r.retried, id)
		if id == r.vanished {
			result.Gone = append(result.Gone, id)
		} else if id%4 != 0 {
			result.Due++
		}
	}
	return result, nil
}

// signed is the header that was made for each of the messages.
const signed = "DKIM-Signature: v=1\r\n"

// put stores a message for each of the recipients' domains.
func (r *rig) put(t *testing.T, id queue.ID, sender string, recipients ...string) {
	t.Helper()
	body, err := r.store.NewBody(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(body, "Subject: %d\r\n\r\n", id)
	item := queue.Item{ID: id, Sender: sender, Size: body.Size() + int64(len(signed)), Arrived: arrived, Expires: arrived.Add(72 * time.Hour),
		EightBit: true, Account: "app", Client: "192.0.2.1", Header: signed}
	for _, to := range recipients {
		item.Recipients = append(item.Recipients, queue.Recipient{
			Address: to, Destination: queue.DestinationOf(to), Attempts: 2, NextAttempt: arrived.Add(time.Hour), TLSFailed: true,
			Last: queue.Outcome{Cause: "tls-version", Status: "4.7.5", Host: "mx.\x1b[31mtest", Detail: "alert 70\x07", Reply: ""},
		})
	}
	if err := r.store.Commit(context.Background(), &queue.Batch{Put: []queue.Put{{Item: item, Body: body}}}); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, q Queue, s Selection) string {
	t.Helper()
	var ids []string
	err := q.List(context.Background(), s, func(m Message) error { ids = append(ids, fmt.Sprint(uint64(m.ID))); return nil })
	if err != nil {
		t.Errorf("List(%+v): %v", s, err)
	}
	return strings.Join(ids, " ")
}

func TestSelections(t *testing.T) {
	r := newRig(t)
	r.put(t, 1, "a@app.test", "x@one.test", "y@two.test")
	r.put(t, 2, "b@app.test", "x@two.test")
	r.put(t, 3, "", "a@app.test")
	for name, q := range r.ways {
		t.Run(name, func(t *testing.T) {
			for _, tt := range []struct {
				s    Selection
				want string
			}{
				{Selection{}, ""}, // nothing was asked for
				{Selection{All: true}, "1 2 3"},
				{Selection{Domain: "two.test"}, "1 2"},
				{Selection{Domain: "TWO.test", Sender: "A@app.test"}, "1"},
				{Selection{Sender: "<>"}, "3"},
				{Selection{Domain: "three.test"}, ""},
				{Selection{IDs: []queue.ID{3, 1}}, "3 1"},
			} {
				if got := list(t, q, tt.s); got != tt.want {
					t.Errorf("%+v selects %q, want %q", tt.s, got, tt.want)
				}
			}
			err := q.List(context.Background(), Selection{IDs: []queue.ID{9}}, func(Message) error { return nil })
			if !errors.Is(err, queue.ErrGone) || !strings.Contains(err.Error(), queue.ID(9).String()) {
				t.Errorf("unknown ID: %v", err)
			}
		})
	}
}

func TestMessageFormIsTheContract(t *testing.T) {
	r := newRig(t)
	r.put(t, 1, "a@app.test", "x@one.test")
	for name, q := range r.ways {
		q.List(context.Background(), Selection{All: true}, func(m Message) error {
			got, err := json.Marshal(m)
			want := `{"id":"` + queue.ID(1).String() + `","sender":"a@app.test","size":35,"arrived":"2026-11-23T08:00:00Z","expires":"2026-11-26T08:00:00Z",` +
				`"recipients":[{"address":"x@one.test","state":"queued","attempts":2,"next_attempt":"2026-11-23T09:00:00Z","cause":"tls-version",` +
				`"status":"4.7.5","diagnostic":"alert 70?","host":"mx.?[31mtest",` +
				`"delay_told":false,"tls_failed":true}],"eight_bit":true,"account":"app","client":"192.0.2.1"}`
			if err != nil || string(got) != want {
				t.Errorf("%s: %s\nwant %s", name, got, want)
			}
			return nil
		})
	}
}

func TestContent(t *testing.T) {
	r := newRig(t)
	r.put(t, 1, "a@app.test", "x@one.test")
	for name, q := range r.ways {
		var b bytes.Buffer
		if err := q.Content(context.Background(), 1, &b); err != nil || b.String() != signed+"Subject: 1\r\n\r\n" {
			t.Errorf("%s: %q, %v", name, b.String(), err)
		}
		if err := q.Content(context.Background(), 2, &b); !errors.Is(err, queue.ErrGone) {
			t.Errorf("%s: unknown message: %v", name, err)
		}
	}
}

// A text that cannot be read to its end says so either way, behind what can be read.
func TestContentDamaged(t *testing.T) {
	r := newRig(t)
	r.put(t, 1, "a@app.test", "x@one.test")
	files, err := filepath.Glob(filepath.Join(r.dir, "spool", "*.segment"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	stored, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(stored, []byte("Subject: 1"), []byte("Subject: 7"), 1)
	if err := os.WriteFile(files[0], damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, q := range r.ways {
		var b bytes.Buffer
		err := q.Content(context.Background(), 1, &b)
		var about *IDError
		if !errors.As(err, &about) || about.ID != 1 || !strings.Contains(about.Error(), "checksum is wrong") {
			t.Errorf("%s: %v", name, err)
		}
		if b.String() != signed+"Subject: 7\r\n\r\n" {
			t.Errorf("%s: before the error came %q", name, b.String())
		}
	}
}

// An error of the writer is no damage of the message.
func TestContentNotTaken(t *testing.T) {
	r := newRig(t)
	r.put(t, 1, "a@app.test", "x@one.test")
	for name, q := range r.ways {
		err := q.Content(context.Background(), 1, fullDisk{})
		var about *IDError
		if !errors.Is(err, syscall.ENOSPC) || errors.As(err, &about) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A relay that stops is no damage of the message either.
func TestContentOfClosedStore(t *testing.T) {
	r := newRig(t)
	r.put(t, 1, "a@app.test", "x@one.test")
	r.store.Close()
	for name, q := range r.ways {
		var about *IDError
		if err := q.Content(context.Background(), 1, io.Discard); err == nil || errors.As(err, &about) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChanges(t *testing.T) {
	r := newRig(t)
	for id := range queue.ID(6) {
		r.put(t, id+1, "a@app.test", "x@one.test")
	}
	ctx := context.Background()
	for i, q := range []Queue{r.ways["direct"], r.ways["socket"]} {
		id := queue.ID(i + 1)
		if n, err := q.Retry(ctx, Selection{IDs: []queue.ID{id}}); n != 1 || err != nil {
			t.Errorf("retry: %d, %v", n, err)
		}
		if n, err := q.Delete(ctx, Selection{IDs: []queue.ID{id}}); n != 1 || err != nil {
			t.Errorf("delete: %d, %v", n, err)
		}
		if n, err := q.Delete(ctx, Selection{IDs: []queue.ID{id}}); n != 0 || !errors.Is(err, queue.ErrGone) {
			t.Errorf("delete again: %d, %v", n, err)
		}
		if !strings.Contains(r.log.String(), "msg=deleted id="+id.String()) {
			t.Errorf("the log does not name %v: %s", id, r.log.String())
		}
	}
	if n, err := r.ways["socket"].Retry(ctx, Selection{IDs: []queue.ID{3, 3, 9, 4, 5}}); n != 2 || !errors.Is(err, queue.ErrGone) {
		t.Errorf("retry of five IDs, one of them double, one unknown, one under way: %d, %v", n, err)
	}
	if n, err := r.ways["socket"].Delete(ctx, Selection{}); n != 0 || err != nil {
		t.Errorf("the empty selection deleted %d, %v", n, err)
	}
	if n, err := r.ways["socket"].Delete(ctx, Selection{All: true}); n != 4 || err != nil {
		t.Errorf("delete all: %d, %v", n, err)
	}
	if len(r.retried) != 5 {
		t.Errorf("retried %v", r.retried)
	}
}

func TestBrokenListingIsAnError(t *testing.T) {
	r := newRig(t)
	r.put(t, 1, "a@app.test", "x@one.test")
	stop := errors.New("stop")
	for name, q := range r.ways {
		for _, s := range []Selection{{All: true}, {IDs: []queue.ID{1, 2}}} {
			if err := q.List(context.Background(), s, func(Message) error { return stop }); err != stop {
				t.Errorf("%s: the caller's error became %v", name, err)
			}
		}
	}
}

func TestNoRelayRuns(t *testing.T) {
	dir := t.TempDir()
	if _, err := Dial(context.Background(), dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false) // as a relay leaves it that was killed
	l.Close()
	if _, err := Dial(context.Background(), dir); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dead socket: %v", err)
	}
	l, err = Listen(dir)
	if err != nil {
		t.Fatalf("the dead socket is in the way: %v", err)
	}
	l.Close()
	if _, err := Listen(filepath.Join(dir, strings.Repeat("x", 120))); err == nil {
		t.Error("a path too long for a socket is no error")
	}
}
