//go:build linux

package crashtest

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tlsrelay/queue"
	"tlsrelay/queue/spool"
	"tlsrelay/relay/need"
)

// weakDisk makes a disk whose image lies where space is short: write-back fails once that is used up, although ext4 has space.
func weakDisk(t *testing.T) (d *disk, backing string) {
	t.Helper()
	need.Root(t)
	need.Programs(t, "mkfs.ext4", "mount", "umount", "losetup")
	dir := t.TempDir()
	backing = filepath.Join(dir, "backing")
	d = &disk{image: filepath.Join(backing, "image"), path: filepath.Join(dir, "disk")}
	must(t, errors.Join(os.Mkdir(backing, 0o700), os.Mkdir(d.path, 0o700)))
	need.That(t, "tmpfs", unix.Mount("none", backing, "tmpfs", 0, "size=40m"))
	t.Cleanup(func() { must(t, unix.Unmount(backing, unix.MNT_DETACH)) })
	t.Cleanup(func() { d.remove(t) })
	must(t, errors.Join(os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, 200e6)))
	// Without a journal, or its loss would end the file system first.
	_, err := d.run("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "nodiscard", d.image)
	must(t, err)
	need.That(t, "loop mounts", d.mount())
	return d, backing
}

// TestSyncThatFailed has a batch of a result and its notice refused because the sync fails, and the process end. The next one can read the
// batch, but the kernel has forgotten that it is not on the disk, whoever syncs or writes it again. When the machine has started anew, either
// the message must be there, or the notice.
func TestSyncThatFailed(t *testing.T) {
	d, backing := weakDisk(t)
	dir := filepath.Join(d.path, "spool")
	open := func() *spool.Store {
		t.Helper()
		s, err := spool.Open(dir, spool.Options{SegmentSize: 8 << 20, LargeText: 8 << 20, Log: slog.New(slog.DiscardHandler)})
		must(t, err)
		return s
	}
	s := open()
	message := letterOf(t, s, 1, 5000)
	must(t, s.Commit(t.Context(), &queue.Batch{Put: []queue.Put{message}}))
	must(t, s.Commit(t.Context(), &queue.Batch{Put: []queue.Put{letterOf(t, s, 2, 5000)}})) // in the next segment
	full := useUp(t, filepath.Join(backing, "full"))
	giveUp(t, s, message.Item, letterOf(t, s, 3, 2500))
	must(t, s.Close())
	must(t, os.Remove(full))

	s = open()
	if shows(t, s, 1) || !shows(t, s, 3) {
		t.Fatal("the batch that was refused is not found")
	}
	first := filepath.Join(dir, "0000000000000001.segment")
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) { // the message is done, so its segment goes
		if _, err := os.Stat(first); errors.Is(err, os.ErrNotExist) {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatal("the first segment stays")
		}
	}
	must(t, s.Close())
	must(t, d.restore())

	s = open()
	defer s.Close()
	if shows(t, s, 1) == shows(t, s, 3) {
		t.Errorf("the message is there: %v, its notice: %v", shows(t, s, 1), shows(t, s, 3))
	}
	if n := s.Stats().Damaged; n > 0 || !shows(t, s, 2) {
		t.Errorf("%d places are damaged", n)
	}
}

// letterOf is a message of some KB that is ready to be put.
func letterOf(t *testing.T, s *spool.Store, id queue.ID, size int) queue.Put {
	t.Helper()
	body, err := s.NewBody(t.Context())
	must(t, err)
	for n := range size {
		_, err := fmt.Fprintf(body, "%1023d\n", n)
		must(t, err)
	}
	return queue.Put{Body: body, Item: queue.Item{
		ID: id, Sender: "a@app.test", Size: body.Size(), Arrived: time.Now(),
		Recipients: []queue.Recipient{{Address: "b@dest.test", Destination: "dest.test"}},
	}}
}

// useUp takes all space, and gives the name of the file that has it.
func useUp(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	for chunk := make([]byte, 4096); err == nil; {
		_, err = f.Write(chunk)
	}
	return name
}

// giveUp has the recipient of a message given up and the notice put, which must be refused.
func giveUp(t *testing.T, s *spool.Store, it queue.Item, notice queue.Put) {
	t.Helper()
	job := queue.JobKey{ID: it.ID, Destination: "dest.test"}
	_, token, err := s.Claim(t.Context(), "test", job)
	must(t, err)
	gone := it.Recipients[0]
	gone.State = queue.Failed
	err = s.Commit(t.Context(), &queue.Batch{Put: []queue.Put{notice}, Update: []queue.Update{{
		Job: job, Token: token, Recipients: []queue.RecipientUpdate{{Recipient: gone}},
	}}})
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EIO) {
		t.Fatalf("the disk did not fail: %v", err)
	}
}

// shows reports whether a message is in the queue. Its text must then be whole.
func shows(t *testing.T, s *spool.Store, id queue.ID) bool {
	t.Helper()
	r, err := s.Open(t.Context(), id)
	if errors.Is(err, queue.ErrGone) {
		return false
	}
	must(t, err)
	defer r.Close()
	it, err := s.Get(t.Context(), id)
	must(t, err)
	if n, err := io.Copy(io.Discard, r); err != nil || n != it.Size {
		t.Errorf("message %s: %d bytes, %v", id, n, err)
	}
	return true
}
