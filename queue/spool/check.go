package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"

	"tlsrelay/queue"
)

// Damage is a place that could not be read.
type Damage struct {
	File          string
	Offset, Bytes int64
	ID            queue.ID // of the message, 0 if it is not known
	Problem       error
}

// Summary is what Check counted.
type Summary struct {
	Messages int   // in the queue
	Bytes    int64 // of their records and texts
	Files    int   // segments, and texts in files of their own
	Damaged  int   // places
}

// checkPasses is how often a spool is read in which something seems damaged: while a relay works on it, files come and go,
// and only what is found every time is damage.
const checkPasses = 3

// Check reads every record and every text in dir and calls report for each damaged place. It changes nothing, and a relay
// may be using the spool. The error is about the directory itself.
func Check(dir string, report func(Damage)) (Summary, error) {
	var sum Summary
	var found []Damage
	for range checkPasses {
		var err error
		if sum, found, err = check(dir); err != nil {
			return sum, fmt.Errorf("spool: %s: %w", dir, err)
		}
		if len(found) == 0 {
			break
		}
	}
	for _, d := range found {
		report(d)
	}
	return sum, nil
}

// check reads the spool once.
func check(path string) (Summary, []Damage, error) {
	dir, err := openReadOnly(path)
	if err != nil {
		return Summary{}, nil, err
	}
	s := newStore(path, Options{Log: slog.New(slog.DiscardHandler)})
	s.dir, s.files.dir, s.thorough = dir, dir, true
	defer s.files.close()
	var found []Damage
	s.found = func(d Damage) { found = append(found, d) }
	l, err := list(dir)
	if err == nil {
		err = s.recover(l)
	}
	if err != nil {
		return Summary{}, nil, err
	}
	sum := Summary{Messages: s.index.count, Files: len(s.segments) + len(s.texts)}
	for _, g := range s.segments {
		sum.Bytes += g.live
	}
	for id := range s.texts {
		n, err := s.readThrough(id)
		if err != nil {
			s.reportText(id, err)
		}
		sum.Bytes += n
	}
	sum.Damaged = len(found)
	slices.SortFunc(found, func(a, b Damage) int { // texts come in no order
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Offset, b.Offset))
	})
	return sum, found, nil
}

// readThrough reads the text of a message and gives its size.
func (s *Store) readThrough(id queue.ID) (int64, error) {
	v, _ := s.look(id)
	r, err := s.openText(&v)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, r)
	return n, errors.Join(err, r.Close())
}

// openReadOnly opens a directory without locking it.
func openReadOnly(dir string) (Dir, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	d := &osDir{path: dir}
	_, err = d.List()
	return d, err
}
