package spool

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

const (
	textSuffix = ".text"
	textBuffer = 256 << 10 // bytes gathered for one write to such a file
)

func textName(number uint64) string { return fmt.Sprintf("%016x%s", number, textSuffix) }

// textNumber is the reverse of textName.
func textNumber(name string) (number uint64, ok bool) {
	hex, ok := strings.CutSuffix(name, textSuffix)
	number, err := strconv.ParseUint(hex, 16, 64)
	return number, ok && err == nil && number > 0 && textName(number) == name
}

// textFile is a large body's own file while it is written.
type textFile struct {
	store    *Store
	number   uint64
	out      gather
	finished bool
	failed   error // a write or sync failed: the file is never touched again
}

// createText makes a file under a number drawn by chance, so that none is used twice.
func (s *Store) createText() (*textFile, error) {
	t := &textFile{store: s}
	for t.number == 0 {
		t.number = rand.Uint64()
	}
	f, err := s.dir.Create(textName(t.number))
	if err != nil {
		return nil, err
	}
	t.out = gather{file: f, limit: textBuffer}
	return t, nil
}

func (t *textFile) add(p []byte) error {
	if t.failed == nil {
		t.failed = t.out.add(p)
	}
	return t.failed
}

// finish makes content and name durable. A second call, for a second commit of the same body, has nothing to do.
func (t *textFile) finish() error {
	if t.failed == nil && !t.finished {
		if t.failed = t.out.flush(); t.failed == nil {
			t.failed = t.out.file.Sync()
		}
		if t.failed == nil {
			t.failed = t.store.dir.Sync()
		}
		t.out.file.Close() // what counts is synced
		t.out.buf = nil
		t.finished = true
	}
	return t.failed
}

// discard removes the file. If that fails, a later start does it.
func (t *textFile) discard() {
	if !t.finished {
		t.out.file.Close()
	}
	t.store.dropText(t.number)
}

// dropText removes a text that no message has, but not before it is certain that no start finds one that has it.
func (s *Store) dropText(number uint64) {
	s.mu.Lock()
	later := s.unsealed
	if later {
		s.deadTexts = append(s.deadTexts, number)
	}
	s.mu.Unlock()
	if !later {
		s.removeText(number)
	}
}

func (s *Store) removeText(number uint64) {
	if err := s.dir.Remove(textName(number)); err != nil {
		s.log.Warn("spool: could not remove a text that is not needed any more; the next start tries again",
			"file", textName(number), "error", err)
	}
}

// setTextAside keeps the text of a message that is damaged, for a person to look at.
func (s *Store) setTextAside(number uint64) {
	name := textName(number)
	if err := s.dir.Rename(name, name+damagedSuffix); err != nil {
		s.log.Warn("spool: could not set a text aside", "file", name, "error", err)
		return
	}
	s.log.Warn("spool: a text is set aside", "file", name+damagedSuffix)
}
