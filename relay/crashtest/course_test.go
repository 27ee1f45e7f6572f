//go:build linux

package crashtest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// course hands in mails of all kinds, one first and then many at once, and waits until the relay has done what it can.
func (s *faultRun) course(t *testing.T, p *process, tr *tracer) {
	t.Helper()
	segment := s.newestSegment(t)
	first := s.books.write(wait, 4<<10)
	c := &client{books: s.books, address: p.address}
	c.send(first)
	c.close()
	var clients sync.WaitGroup
	for n := range 3 {
		clients.Go(func() {
			c := &client{books: s.books, address: p.address}
			defer c.close()
			for i := range 9 {
				c.send(s.courseMail(n, i))
			}
		})
	}
	clients.Wait()
	if tr.fault == (fault{}) {
		s.mustMove(t, p, first, segment)
	}
	for deadline := time.Now().Add(5 * time.Second); tr.idle() < 50*time.Millisecond && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

// mustMove waits until the segment that a mail came into is gone, although the mail waits in the queue: it has been copied.
func (s *faultRun) mustMove(t *testing.T, p *process, m *mail, segment string) {
	t.Helper()
	if segment == "" {
		t.Fatal("the relay is ready, and has no segment")
	}
	p.await(t, startTime, segment+" is emptied and removed", func() bool {
		_, err := os.Stat(segment)
		return errors.Is(err, fs.ErrNotExist)
	})
	if _, queued := s.list(t)[m.number]; !queued || !m.acked {
		t.Fatalf("mail %d does not wait in the queue", m.number)
	}
}

// newestSegment is the file of the spool that mail goes to, "" if there is none.
func (s *faultRun) newestSegment(t *testing.T) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(s.dataDir, "spool", "*.segment"))
	must(t, err)
	if len(all) == 0 {
		return ""
	}
	return slices.Max(all)
}

// courseMail writes mail i of client n: most so large that a few fill a segment, and of all kinds ones whose texts get files
// of their own. So little of a segment waits in the end that it is worth copying.
func (s *faultRun) courseMail(n, i int) *mail {
	kind, size := kinds[(n+i)%len(kinds)], 240<<10
	switch {
	case n < 2 && i == 7, n == 1 && i == 5:
		size = 1500 << 10
	case i%5 == 0, kind == wait && n > 0:
		size = 4 << 10
	}
	return s.books.write(kind, size)
}

// goesOn checks that a relay whose disk works again takes mail again.
func (s *faultRun) goesOn(t *testing.T, p *process, tr *tracer) {
	t.Helper()
	tr.heal()
	c := &client{books: s.books, address: p.address}
	defer c.close()
	p.await(t, 10*time.Second, tr.found()+", and then mail is taken again", func() bool {
		return c.send(s.books.write(good, 4<<10)) == nil
	})
}
