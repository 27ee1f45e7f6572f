package spool

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"tlsrelay/queue"
)

// stuckFS holds the first sync of a commit until it is told to go on.
type stuckFS struct {
	*memFS
	armed   bool
	reached chan struct{}
	resume  chan error
}

type stuckDir struct {
	Dir
	fs *stuckFS
}

type stuckFile struct {
	File
	fs *stuckFS
}

func (f *stuckFS) OpenDir(name string) (Dir, error) {
	d, err := f.memFS.OpenDir(name)
	return &stuckDir{d, f}, err
}

func (d *stuckDir) Create(name string) (File, error) {
	f, err := d.Dir.Create(name)
	return &stuckFile{f, d.fs}, err
}

func (f *stuckFile) Sync() error {
	if !f.fs.armed {
		return f.File.Sync()
	}
	f.fs.armed = false
	close(f.fs.reached)
	if err := <-f.fs.resume; err != nil {
		return err
	}
	return f.File.Sync()
}

// openStuck gives a store whose next commit is stuck in its sync with message 1, and the answer that commit will get.
func openStuck(t *testing.T) (*Store, *stuckFS, chan error) {
	f := &stuckFS{memFS: newMachine(t, 1<<20), reached: make(chan struct{}), resume: make(chan error)}
	s, err := Open("mem", Options{FS: f, Log: quiet(), idle: true})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	f.armed = true
	answer := make(chan error, 1)
	go func() { answer <- put(s, testItem(1), "first") }()
	<-f.reached
	return s, f, answer
}

// While a sync is under way the next batches gather, and share one write and one sync.
func TestCommitsShareASync(t *testing.T) {
	s, f, answer := openStuck(t)
	var wg sync.WaitGroup
	for i := 2; i <= 50; i++ {
		wg.Go(func() {
			if err := put(s, testItem(i), "text"); err != nil {
				t.Error(err)
			}
		})
	}
	waitGathered(s, 49)
	if _, err := s.Get(ctx, 1); !errors.Is(err, queue.ErrGone) {
		t.Errorf("a message is seen before it is durable: %v", err)
	}
	before := f.Ops()
	f.resume <- nil
	must(t, <-answer)
	wg.Wait()
	if ops := f.Ops() - before; ops != 3 { // the sync that was stuck, a write, a sync
		t.Errorf("50 commits took %d operations, want 3", ops)
	}
}

// waitGathered waits until n batches wait for the writer.
func waitGathered(s *Store, n int) {
	for {
		s.intake.mu.Lock()
		have := len(s.intake.waiting)
		s.intake.mu.Unlock()
		if have == n {
			return
		}
		runtime.Gosched()
	}
}

// A failed sync fails every batch of its group, and those behind it are stored.
func TestFailedSyncFailsItsGroup(t *testing.T) {
	s, f, answer := openStuck(t)
	later := make(chan error, 1)
	go func() { later <- put(s, testItem(2), "second") }()
	waitGathered(s, 1)
	broken := errors.New("sync failed")
	f.resume <- broken
	if err := <-answer; !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	must(t, <-later)
	wantIDs(t, s, 2)
	if n := s.Stats().Segments; n != 1 {
		t.Errorf("%d segments, want the new one alone", n)
	}
}

// The end of the caller's context takes back a batch that waits, but not one that is being written.
func TestContextEndsWhileCommitting(t *testing.T) {
	s, f, answer := openStuck(t)
	waiting, cancel := context.WithCancel(ctx)
	withdrawn := make(chan error, 1)
	body, err := s.NewBody(ctx)
	must(t, err)
	batch := &queue.Batch{Put: []queue.Put{{Item: testItem(2), Body: body}}}
	go func() { withdrawn <- s.Commit(waiting, batch) }()
	waitGathered(s, 1)
	cancel()
	if err := <-withdrawn; !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	f.resume <- nil
	must(t, <-answer)
	wantIDs(t, s, 1)
	must(t, s.Commit(ctx, batch)) // the body is the caller's again
	wantIDs(t, s, 1, 2)
}

func TestContextEndsTooLate(t *testing.T) {
	f := &stuckFS{memFS: newMachine(t, 1<<20), reached: make(chan struct{}), resume: make(chan error)}
	s, err := Open("mem", Options{FS: f, Log: quiet(), idle: true})
	must(t, err)
	defer s.Close()
	f.armed = true
	ending, cancel := context.WithCancel(ctx)
	body, err := s.NewBody(ctx)
	must(t, err)
	answer := make(chan error, 1)
	go func() { answer <- s.Commit(ending, &queue.Batch{Put: []queue.Put{{Item: testItem(1), Body: body}}}) }()
	<-f.reached
	cancel()
	f.resume <- nil
	must(t, <-answer) // it is stored, and the caller is told so
	wantIDs(t, s, 1)
}

// Close waits for what is under way and for what waits behind it.
func TestCloseWaits(t *testing.T) {
	s, f, answer := openStuck(t)
	later := make(chan error, 1)
	go func() { later <- put(s, testItem(2), "second") }()
	waitGathered(s, 1)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	f.resume <- nil
	must(t, <-answer)
	must(t, <-later)
	must(t, <-closed)
	wantIDs(t, open(t, f.memFS), 1, 2)
}

// A claim that a commit under way ends cannot be released and given to another.
func TestReleaseWhileCommitting(t *testing.T) {
	s, f, answer := openStuck(t)
	f.resume <- nil
	must(t, <-answer)
	key := queue.JobKey{ID: 1, Destination: "a.example"}
	it, tok, err := s.Claim(ctx, "test", key)
	must(t, err)
	f.reached, f.armed = make(chan struct{}), true
	go func() {
		answer <- s.Commit(ctx, &queue.Batch{Update: []queue.Update{{Job: key, Token: tok,
			Recipients: []queue.RecipientUpdate{{Index: 0, Recipient: it.Recipients[0]}}}}})
	}()
	<-f.reached
	must(t, s.Release(ctx, key, tok))
	if _, _, err := s.Claim(ctx, "test", key); !errors.Is(err, queue.ErrClaimed) {
		t.Errorf("error %v", err)
	}
	f.resume <- nil
	must(t, <-answer)
	if _, _, err := s.Claim(ctx, "test", key); err != nil {
		t.Errorf("after the commit: %v", err)
	}
}

// Batches of one group see each other: what the first did, the second cannot do again.
func TestBatchesOfOneGroup(t *testing.T) {
	s, f, answer := openStuck(t)
	errs := make(chan error, 8)
	for range 4 {
		go func() { errs <- put(s, testItem(2), "text") }()
	}
	waitGathered(s, 4)
	f.resume <- nil
	must(t, <-answer)
	failed := 0
	for range 4 {
		if err := <-errs; err != nil {
			failed++
		}
	}
	if failed != 3 {
		t.Errorf("%d of 4 messages with the same ID were refused, want 3", failed)
	}
	wantIDs(t, s, 1, 2)
}

func TestPutRefused(t *testing.T) {
	s, other := open(t, newMachine(t, 1<<20)), open(t, newMachine(t, 1<<20))
	must(t, put(s, testItem(1), "text"))
	good, err := s.NewBody(ctx)
	must(t, err)
	foreign, err := other.NewBody(ctx)
	must(t, err)
	done := testItem(2)
	done.Recipients[0].State = queue.Failed
	nobody := testItem(2)
	nobody.Recipients = nil
	for want, p := range map[string][]queue.Put{
		"has no ID":               {{Item: testItem(0), Body: good}},
		"message with this ID":    {{Item: testItem(1), Body: good}},
		"no recipient is left":    {{Item: done, Body: good}},
		"no recipient is left to": {{Item: nobody, Body: good}},
		"not of this store":       {{Item: testItem(2), Body: foreign}},
		"is not of this store":    {{Item: testItem(2)}},
		"already committed":       {{Item: testItem(2), Body: good}, {Item: testItem(3), Body: good}},
	} {
		if err := s.Commit(ctx, &queue.Batch{Put: p}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	wantIDs(t, s, 1)
	must(t, s.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: testItem(2), Body: good}}}))
}

func TestUpdateRefused(t *testing.T) {
	s := open(t, newMachine(t, 1<<20))
	it := testItem(1)
	it.Recipients = append(it.Recipients, queue.Recipient{Address: "u@b.example", Destination: "b.example"})
	must(t, put(s, it, "text"))
	key := queue.JobKey{ID: 1, Destination: "a.example"}
	_, tok, err := s.Claim(ctx, "test", key)
	must(t, err)
	for _, index := range []int{-1, 1, 2} { // 1 is of another job
		err := s.Commit(ctx, &queue.Batch{Update: []queue.Update{{Job: key, Token: tok,
			Recipients: []queue.RecipientUpdate{{Index: index, Recipient: it.Recipients[0]}}}}})
		if err == nil || errors.Is(err, queue.ErrGone) {
			t.Errorf("recipient %d: error %v", index, err)
		}
	}
	must(t, s.Commit(ctx, &queue.Batch{Update: []queue.Update{{Job: key, Token: tok}}})) // the claim was kept till now
	if _, _, err = s.Claim(ctx, "test", key); err != nil {
		t.Errorf("after an update without changes: %v", err)
	}
}

func TestDeletedMessageLeavesNoClaim(t *testing.T) {
	s := open(t, newMachine(t, 1<<20))
	must(t, put(s, testItem(1), "text"))
	_, _, err := s.Claim(ctx, "test", queue.JobKey{ID: 1, Destination: "a.example"})
	must(t, err)
	must(t, remove(s, 1))
	if len(s.claims) != 0 {
		t.Errorf("%d claims are left", len(s.claims))
	}
}

// A body that changed on disk is an error at its end, not another text.
func TestDamagedBodyIsNotDelivered(t *testing.T) {
	m := newMachine(t, 1<<20)
	s := open(t, m)
	must(t, put(s, testItem(1), "a text that will change"))
	name, off := textPlace(s, 1)
	data := m.names[name].data
	data[off+3] ^= 1
	if _, err := readAll(s, 1); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("error %v", err)
	}
	m.names[name].data = data[:off+5]
	if text, err := readAll(s, 1); err == nil || len(text) > 5 {
		t.Errorf("cut off: %q, %v", text, err)
	}
	delete(m.names, name)
	s.files.close()
	if _, err := s.Open(ctx, 1); err == nil || errors.Is(err, queue.ErrGone) {
		t.Errorf("no file: error %v", err)
	}
}

// A record that would be too large to be read back is refused, not acknowledged.
func TestTooLargeToReadBack(t *testing.T) {
	s := open(t, newMachine(t, 1<<20))
	body, err := s.NewBody(ctx)
	must(t, err)
	it := testItem(1)
	it.Sender = strings.Repeat("s", maxRecord)
	if err := s.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: it, Body: body}}}); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("put: error %v", err)
	}
	must(t, s.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: testItem(1), Body: body}}}))
	key := queue.JobKey{ID: 1, Destination: "a.example"}
	it, token, err := s.Claim(ctx, "test", key)
	must(t, err)
	it.Recipients[0].Last.Reply = strings.Repeat("r", maxRecord)
	err = s.Commit(ctx, &queue.Batch{Update: []queue.Update{{Job: key, Token: token,
		Recipients: []queue.RecipientUpdate{{Recipient: it.Recipients[0]}}}}})
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("update: error %v", err)
	}
	wantIDs(t, s, 1)
}

// panicFS panics in a sync of a segment, once there is mail.
type panicFS struct{ FS }

type panicDir struct{ Dir }

type panicFile struct {
	File
	syncs *int
}

func (f panicFS) OpenDir(name string) (Dir, error) {
	d, err := f.FS.OpenDir(name)
	return panicDir{d}, err
}

func (d panicDir) Create(name string) (File, error) {
	f, err := d.Dir.Create(name)
	return panicFile{f, new(int)}, err
}

func (f panicFile) Sync() error {
	if *f.syncs++; *f.syncs > 1 {
		panic("a mistake in the program")
	}
	return f.File.Sync()
}

// A panic of the writer ends the process though its caller recovers, and says where it was.
func TestPanicEndsTheProcess(t *testing.T) {
	const child = "SPOOL_TEST_PANIC"
	if os.Getenv(child) != "" {
		defer func() { recover() }() // as go-smtp does
		s, err := Open("mem", Options{FS: panicFS{newMemFS(1 << 20)}, Log: quiet(), idle: true})
		must(t, err)
		put(s, testItem(1), "text")
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPanicEndsTheProcess$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Fatalf("exit: %v\n%s", err, out)
	}
	for _, want := range []string{"a mistake in the program", "panicFile.Sync"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}
