package queue_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
)

func TestRetryMakesDueNow(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := start(t, dir, constantly(oldTLS))
		id := st.enqueue(t, "a@app.test", "b@old.test", "c@older.test")
		time.Sleep(2 * time.Minute)
		retried, err := st.Retry(context.Background(), []queue.ID{id, id + 1})
		if retried.Due != 1 || !slices.Equal(retried.Gone, []queue.ID{id + 1}) || err != nil {
			t.Errorf("Retry of a message and one that is not there: %+v, %v", retried, err)
		}
		time.Sleep(time.Second)
		for _, destination := range []string{"old.test", "older.test"} {
			if n := len(st.remote.attempts(destination)); n != 2 {
				t.Errorf("%d attempts for %s", n, destination)
			}
		}
		st.stop()
	})
}

func TestRetryOfOneJob(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := start(t, dir, constantly(oldTLS))
		id := st.enqueue(t, "a@app.test", "b@old.test", "c@older.test")
		time.Sleep(2 * time.Minute)
		retried, err := st.RetryJobs(context.Background(), []queue.JobKey{{ID: id, Destination: "old.test"}, {ID: id, Destination: "none.test"}})
		if retried.Due != 1 || len(retried.Gone) != 0 || err != nil {
			t.Errorf("%+v, %v", retried, err)
		}
		time.Sleep(time.Second)
		if old, older := len(st.remote.attempts("old.test")), len(st.remote.attempts("older.test")); old != 2 || older != 1 {
			t.Errorf("%d attempts for the one, %d for the other", old, older)
		}
		st.stop()
	})
}

func TestRetryOutlivesItsCaller(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := start(t, dir, constantly(oldTLS))
		id := st.enqueue(t, "a@app.test", "b@old.test")
		time.Sleep(time.Minute)
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		if retried, err := st.Retry(gone, []queue.ID{id}); retried.Due != 1 || err != nil {
			t.Errorf("Retry: %+v, %v", retried, err)
		}
		time.Sleep(time.Minute)
		if n := len(st.remote.attempts("old.test")); n != 2 {
			t.Errorf("%d attempts", n)
		}
		st.stop()
	})
}

// TestRetryAgainAndAgain: the hints that repeated commands leave behind are looked at once and then gone.
func TestRetryAgainAndAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := &meddler{Store: openSpool(t, dir)}
		st := prepare(store, onlyFor("old.test", oldTLS), time.Now)
		st.run(t)
		id := st.enqueue(t, "a@app.test", "b@old.test")
		for range 100 {
			time.Sleep(time.Minute)
			if retried, err := st.Retry(context.Background(), []queue.ID{id}); retried.Due != 1 || err != nil {
				t.Fatalf("Retry: %+v, %v", retried, err)
			}
		}
		time.Sleep(10 * time.Hour) // more than two pauses
		claims, attempts := store.claims.Load(), len(st.remote.attempts("old.test"))
		time.Sleep(24 * time.Hour)
		claims, attempts = store.claims.Load()-claims, len(st.remote.attempts("old.test"))-attempts
		if int(claims) != attempts || attempts < 5 {
			t.Errorf("%d attempts in a day, for %d looks at the job", attempts, claims)
		}
		st.stop()
	})
}

// retryRig is a store with n messages that are due in an hour, and no scheduler.
func retryRig(t *testing.T, n int) (*meddler, []queue.ID) {
	t.Helper()
	store := &meddler{Store: openSpool(t, t.TempDir())}
	t.Cleanup(func() { store.Close() })
	ids := fill(t, store, n, arrival.Add(time.Hour))
	return store, ids
}

var arrival = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// fill stores n messages for two destinations each in one batch.
func fill(t *testing.T, store queue.Store, n int, due time.Time) (ids []queue.ID) {
	t.Helper()
	batch := &queue.Batch{}
	for i := range n {
		body, err := store.NewBody(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		item := queue.Item{ID: queue.ID(i + 1), Sender: "a@app.test", Arrived: arrival, Expires: arrival.Add(72 * time.Hour)}
		for _, to := range []string{"b@one.test", "c@two.test"} {
			item.Recipients = append(item.Recipients, queue.Recipient{Address: to, Destination: queue.DestinationOf(to), NextAttempt: due})
		}
		batch.Put = append(batch.Put, queue.Put{Item: item, Body: body})
		ids = append(ids, item.ID)
	}
	if err := store.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return ids
}

// wantFree fails if a claim was not given back.
func wantFree(t *testing.T, store queue.Store) {
	t.Helper()
	items, err := store.Scan(t.Context(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		for _, r := range item.Recipients {
			if r.State == queue.Active {
				t.Errorf("message %v for %s is still claimed", item.ID, r.Destination)
			}
		}
	}
}

func dueAt(t *testing.T, store queue.Store, due time.Time) (n int) {
	t.Helper()
	jobs, _, err := store.Jobs(t.Context(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Due.Equal(due) {
			n++
		}
	}
	return n
}

func TestRetryNowInBatches(t *testing.T) {
	store, ids := retryRig(t, 1200)
	commits := 0
	store.commit = func(*queue.Batch) error { commits++; return nil }
	retried, err := queue.RetryNow(t.Context(), store, "test", ids, arrival)
	if retried.Due != len(ids) || len(retried.Gone) != 0 || err != nil {
		t.Errorf("%+v, %v", retried, err)
	}
	if n := dueAt(t, store, arrival); n != 2*len(ids) || commits > 6 {
		t.Errorf("%d jobs became due in %d commits", n, commits)
	}
	wantFree(t, store)

	commits = 0
	claims := store.claims.Load()
	retried, err = queue.RetryNow(t.Context(), store, "test", ids, arrival.Add(time.Second))
	if retried.Due != len(ids) || err != nil || commits != 0 || store.claims.Load() != claims {
		t.Errorf("again, when all are due: %+v, %v, %d commits, %d claims", retried, err, commits, store.claims.Load()-claims)
	}
}

// A message that is deleted between claim and commit does not keep the others from being tried.
func TestRetryNowBesideADeletion(t *testing.T) {
	store, ids := retryRig(t, 100)
	store.commit = func(b *queue.Batch) error {
		store.commit = nil
		return store.Store.Commit(t.Context(), &queue.Batch{Delete: []queue.ID{ids[3], ids[70]}})
	}
	retried, err := queue.RetryNow(t.Context(), store, "test", ids, arrival)
	if retried.Due != 98 || !slices.Equal(retried.Gone, []queue.ID{ids[3], ids[70]}) || err != nil {
		t.Errorf("%+v, %v", retried, err)
	}
	if n := dueAt(t, store, arrival); n != 2*98 {
		t.Errorf("%d jobs are due", n)
	}
	wantFree(t, store)
}

func TestRetryNowGivesClaimsBack(t *testing.T) {
	store, ids := retryRig(t, 700)
	store.commit = func(*queue.Batch) error { return errDisk }
	if retried, err := queue.RetryNow(t.Context(), store, "test", ids, arrival); retried.Due != 0 || err == nil {
		t.Errorf("no commit: %+v, %v", retried, err)
	}
	wantFree(t, store)

	store.commit = nil
	store.claim = func(job queue.JobKey) error {
		if job.ID == ids[50] {
			return errDisk
		}
		return nil
	}
	if retried, err := queue.RetryNow(t.Context(), store, "test", ids, arrival); retried.Due != 50 || err == nil {
		t.Errorf("a claim fails: %+v, %v", retried, err)
	}
	wantFree(t, store)
}

func TestRetryNowLeavesWhatIsUnderWay(t *testing.T) {
	store, ids := retryRig(t, 2)
	for _, destination := range []string{"one.test", "two.test"} {
		if _, _, err := store.Claim(t.Context(), "other", queue.JobKey{ID: ids[0], Destination: destination}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := store.Claim(t.Context(), "other", queue.JobKey{ID: ids[1], Destination: "one.test"}); err != nil {
		t.Fatal(err)
	}
	for _, now := range []time.Time{arrival, arrival.Add(2 * time.Hour)} { // before and after they come due by themselves
		retried, err := queue.RetryNow(t.Context(), store, "test", ids, now)
		if retried.Due != 1 || len(retried.Gone) != 0 || err != nil {
			t.Errorf("%+v, %v", retried, err)
		}
		if n := dueAt(t, store, arrival); n != 1 {
			t.Errorf("%d jobs were made due", n)
		}
	}
}
