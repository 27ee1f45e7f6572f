package queue_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
)

// meddler is a store whose methods can be made slow or fail. Its functions are called in place of the store's; they may call it.
type meddler struct {
	queue.Store
	claim  func(job queue.JobKey) error
	commit func(b *queue.Batch) error
	jobs   func(after queue.ID) error
	claims atomic.Int64
}

func (m *meddler) Claim(ctx context.Context, owner string, job queue.JobKey) (queue.Item, queue.Token, error) {
	m.claims.Add(1)
	if m.claim != nil {
		if err := m.claim(job); err != nil {
			return queue.Item{}, 0, err
		}
	}
	return m.Store.Claim(ctx, owner, job)
}

func (m *meddler) Commit(ctx context.Context, b *queue.Batch) error {
	if m.commit != nil {
		if err := m.commit(b); err != nil {
			return err
		}
	}
	return m.Store.Commit(ctx, b)
}

func (m *meddler) Jobs(ctx context.Context, after queue.ID, limit int) ([]queue.DueJob, queue.ID, error) {
	jobs, last, err := m.Store.Jobs(ctx, after, limit)
	if m.jobs != nil {
		err = errors.Join(err, m.jobs(after))
	}
	return jobs, last, err
}

var errDisk = errors.New("disk trouble")

// The hint of a job whose time is a little further away than any pause is clamped. It then finds its job not due, and must
// not be lost.
func TestClampedHintBeforeItsTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := prepare(openSpool(t, dir), constantly(oldTLS), time.Now)
		st.enqueueFor(t, time.Now().Add(10*time.Hour), 0, "a@app.test", "b@old.test") // the longest pause is four hours
		st.run(t)
		time.Sleep(9 * time.Hour)
		if n := len(st.remote.attempts("old.test")); n != 0 {
			t.Errorf("%d attempts before the time", n)
		}
		time.Sleep(time.Hour + time.Second)
		if n := len(st.remote.attempts("old.test")); n != 1 {
			t.Errorf("%d attempts at the time", n)
		}
		st.stop()
	})
}

// A job comes due while an operator's command holds its claim: the hint is dropped, and the command owes a new one, whether it
// could write or not.
func TestDueWhileRetryHoldsTheClaim(t *testing.T) {
	for name, fails := range map[string]error{"written": nil, "not written": errDisk} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				store := &meddler{Store: openSpool(t, dir)}
				st := prepare(store, constantly(oldTLS), time.Now)
				st.run(t)
				id := st.enqueue(t, "a@app.test", "b@old.test")
				time.Sleep(4 * time.Minute) // due again after five
				synctest.Wait()
				store.commit = func(*queue.Batch) error {
					store.commit = nil
					time.Sleep(10 * time.Minute)
					return fails
				}
				retried, err := st.Retry(context.Background(), []queue.ID{id})
				if !errors.Is(err, fails) || (err == nil) != (retried.Due == 1) {
					t.Errorf("Retry: %+v, %v", retried, err)
				}
				time.Sleep(time.Second)
				if n := len(st.remote.attempts("old.test")); n != 2 {
					t.Errorf("%d attempts", n)
				}
				st.stop()
			})
		})
	}
}

func TestClaimThatFailedIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var failed atomic.Bool
		store := &meddler{Store: openSpool(t, dir), claim: func(queue.JobKey) error {
			if failed.CompareAndSwap(false, true) {
				return errDisk
			}
			return nil
		}}
		st := prepare(store, constantly(oldTLS), time.Now)
		st.run(t)
		st.enqueue(t, "a@app.test", "b@old.test")
		time.Sleep(2 * time.Minute)
		if n := len(st.remote.attempts("old.test")); n != 1 {
			t.Errorf("%d attempts", n)
		}
		st.stop()
	})
}

// The next time of an attempt is worked out before the clock steps back, and comes to the scheduler when it has put right all
// it knew.
func TestClockStepsBackDuringAnAttempt(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var offset atomic.Int64
		now := func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) }
		store := &meddler{Store: openSpool(t, dir)}
		store.commit = func(b *queue.Batch) error {
			if len(b.Update) > 0 && offset.CompareAndSwap(0, int64(-365*24*time.Hour)) {
				time.Sleep(10 * time.Minute)
			}
			return nil
		}
		st := prepare(store, constantly(oldTLS), now)
		st.run(t)
		st.enqueue(t, "a@app.test", "b@old.test")
		time.Sleep(9 * time.Hour)
		if n := len(st.remote.attempts("old.test")); n < 2 {
			t.Errorf("%d attempts", n)
		}
		st.stop()
	})
}

// Mail that comes in while the scheduler reads the store is seen in the store, or announced, or both: it is tried, and once.
func TestEnqueueBesideTheStart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := &meddler{Store: openSpool(t, dir)}
		st := prepare(store, constantly(oldTLS), time.Now)
		reading := make(chan struct{})
		store.jobs = func(queue.ID) error {
			close(reading)
			time.Sleep(time.Minute)
			return nil
		}
		st.enqueue(t, "a@app.test", "b@before.test")
		st.run(t)
		<-reading
		st.enqueue(t, "a@app.test", "b@unseen.test")
		time.Sleep(2 * time.Minute)
		for _, destination := range []string{"before.test", "unseen.test"} {
			if n := len(st.remote.attempts(destination)); n != 1 {
				t.Errorf("%d attempts for %s", n, destination)
			}
		}
		st.stop()
	})
}

func TestStartReadsAllPages(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const messages = 1100 // a page of Jobs has 1000
		store := openSpool(t, dir)
		fill(t, store, messages, time.Now().Add(time.Hour))
		st := prepare(store, onlyFor("nowhere.test", oldTLS), time.Now)
		st.run(t)
		time.Sleep(time.Hour + time.Minute)
		if one, two := len(st.remote.attempts("one.test")), len(st.remote.attempts("two.test")); one != messages || two != messages {
			t.Errorf("%d and %d attempts for %d messages", one, two, messages)
		}
		st.stop()
	})
}
