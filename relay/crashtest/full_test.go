//go:build linux

package crashtest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// noRoom is the reply of a relay with too little space.
const noRoom = "452 4.3.1"

// threshold is the free space below which the relay of these tests takes no mail.
const threshold = 20e6

// TestDiskFull takes all space away in the middle of load, down to the last byte, and gives it back; has the queue itself
// grow to the threshold; and starts a relay on a disk that is full.
func TestDiskFull(t *testing.T) {
	long(t)
	d := newDisk(t, 300e6)
	r := newRig(t, filepath.Join(d.path, "data"), "[queue]\nfree_space = \"20MB\"\n")
	p := r.start(t)
	loseSpace(t, r, d, p)
	growQueue(t, r, d, p)
	p.stop(t)

	p = r.start(t)
	r.audit(t, "a restart")
	p = startOnFull(t, r, d, p)
	r.settle(t, p)
	p.stop(t)
	_, refused := r.books.replies()
	if others := slices.Collect(maps.Keys(refused)); len(others) != 1 {
		t.Errorf("mail was refused with %v, want %s alone", others, noRoom)
	}
	t.Logf("full disk: %v, 0 lost", r.books)
}

// TestSmallDisk has a relay on a disk that has not much more than it must leave: most of that can be used for mail.
func TestSmallDisk(t *testing.T) {
	long(t)
	const size = 200 << 10
	d := newDisk(t, 100e6)
	r := newRig(t, filepath.Join(d.path, "data"), "[queue]\nfree_space = \"20MB\"\n")
	space := spaceOf(t, d) - threshold
	p := r.start(t)
	stop := load(t, p, func() *mail { return r.books.write(wait, size) })
	refuses(t, p)
	stop()
	acked, _ := r.books.replies()
	if int64(acked)*size < space*3/4 {
		t.Errorf("%d bytes of mail were taken where there was space for %d", acked*size, space)
	}
	t.Logf("%d bytes of mail took the place of %d; %d bytes are left", acked*size, space, spaceOf(t, d))
	r.settle(t, p)
	p.stop(t)
}

// loseSpace has another program take all the space for a while. The relay goes through that without a restart.
func loseSpace(t *testing.T, r *rig, d *disk, p *process) {
	t.Helper()
	stop := load(t, p, r.books.mix)
	time.Sleep(300 * time.Millisecond)
	free := occupy(t, d)
	refuses(t, p)
	worksOff(t, r, p)
	free()
	accepts(t, p)
	stop()
	r.settle(t, p)
}

// growQueue has the queue grow until the relay takes no more mail, and an operator delete it.
func growQueue(t *testing.T, r *rig, d *disk, p *process) {
	t.Helper()
	stop := load(t, p, func() *mail { return r.books.write(wait, 200<<10) })
	refuses(t, p)
	if left := spaceOf(t, d); left < threshold/2 {
		t.Errorf("new mail is refused when %d bytes are left, and not at %.0f", left, threshold)
	}
	stop()
	discard(t, r)
	stop = load(t, p, r.books.mix)
	accepts(t, p)
	stop()
}

// startOnFull kills a relay whose disk is full. The next one must show the queue, refuse new mail and go on when there is
// space.
func startOnFull(t *testing.T, r *rig, d *disk, p *process) *process {
	t.Helper()
	stop := load(t, p, r.books.mix)
	free := occupy(t, d)
	refuses(t, p)
	p.kill()
	stop()
	p = r.start(t)
	r.audit(t, "a start on a full disk")
	stop = load(t, p, r.books.mix)
	refuses(t, p)
	free()
	accepts(t, p)
	stop()
	return p
}

// occupy fills the disk with a file, and keeps it full until the function that it gives is called.
func occupy(t *testing.T, d *disk) (free func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(d.path, "foreign"))
	must(t, err)
	var full, done = make(chan struct{}), make(chan struct{})
	var filling sync.WaitGroup
	filling.Go(func() {
		for first := true; ; first = false {
			fill(f)
			if first {
				close(full)
			}
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	free = sync.OnceFunc(func() {
		close(done)
		filling.Wait()
		f.Close()
		os.Remove(f.Name())
	})
	t.Cleanup(free)
	<-full
	return free
}

// fill appends to f until there is no byte left.
func fill(f *os.File) {
	block := make([]byte, 1<<20)
	for len(block) > 0 {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return
		}
	}
	f.Sync()
}

func spaceOf(t *testing.T, d *disk) int64 {
	t.Helper()
	var s unix.Statfs_t
	must(t, unix.Statfs(d.path, &s))
	return int64(s.Bavail) * s.Bsize
}

// refuses waits until the relay takes no more mail.
func refuses(t *testing.T, p *process) {
	t.Helper()
	acked, refused := p.books.replies()
	p.await(t, 30*time.Second, "new mail is refused with "+noRoom+", and nothing else happens", func() bool {
		before, start := acked, refused[noRoom]
		acked, refused = p.books.replies()
		return acked == before && refused[noRoom] > start+2
	})
}

// accepts waits until it takes mail again.
func accepts(t *testing.T, p *process) {
	t.Helper()
	before, _ := p.books.replies()
	p.await(t, 10*time.Second, "mail is taken again", func() bool {
		acked, _ := p.books.replies()
		return acked > before+10
	})
}

// worksOff checks that a relay without space attempts what it has and can write down what comes of it: first deferrals,
// then deliveries.
func worksOff(t *testing.T, r *rig, p *process) {
	t.Helper()
	attempts := func() map[int]int {
		n := map[int]int{}
		for number, m := range r.list(t) {
			if m.Sender != "" && r.books.get(number).domain == wait {
				n[number] = m.Recipients[0].Attempts
			}
		}
		return n
	}
	before := attempts()
	if len(before) == 0 {
		t.Fatal("no mail waits in the queue")
	}
	r.command(t, "queue", "retry", "--domain="+wait)
	p.await(t, 30*time.Second, "deferrals are written down while the disk is full", func() bool {
		now := attempts()
		return !slices.ContainsFunc(slices.Collect(maps.Keys(before)), func(number int) bool { return now[number] <= before[number] })
	})
	r.host.open.Store(true)
	defer r.host.open.Store(false)
	r.retryUntil(t, p, 30*time.Second, "deliveries are written down while the disk is full", "--domain="+wait, func() bool {
		return len(attempts()) == 0
	})
}

// discard deletes all queued mail.
func discard(t *testing.T, r *rig) {
	t.Helper()
	queued := r.list(t)
	r.command(t, "queue", "delete", "--all")
	if left := len(r.list(t)); left > 0 {
		t.Fatal(fmt.Sprint(left, " messages are left in the queue after all were deleted"))
	}
	r.books.mu.Lock()
	defer r.books.mu.Unlock()
	for number := range queued {
		r.books.mails[number].deleted = true
	}
}
