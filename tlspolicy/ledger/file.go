package ledger

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	maxFile = 256 << 20       // bytes, more than there can be of all entries
	pause   = 3 * time.Minute // between two rounds of Keep
)

// Keep saves the ledger to the file at path every few minutes when something has changed, and forgets what is old, until ctx
// ends. Who stops the relay calls [Ledger.Save] once more, when no attempt is under way any longer.
func (l *Ledger) Keep(ctx context.Context, path string, log *slog.Logger) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			l.Forget(now)
		}
		if err := l.Save(path); err != nil {
			log.Error(err.Error())
		}
	}
}

// Save writes the ledger to a file: whole or not at all. Nothing is written if nothing changed since the last time.
func (l *Ledger) Save(path string) error {
	entries, changed := l.all()
	if !changed {
		return nil
	}
	if err := write(path, entries); err != nil {
		l.mu.Lock()
		l.changed = true
		l.mu.Unlock()
		return fmt.Errorf("saving what TLS was seen: %w", err)
	}
	return nil
}

func write(path string, entries []*Entry) error {
	next := path + ".new" // nobody else writes it: one relay runs on a data folder
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(print(f, entries), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func print(w io.Writer, entries []*Entry) error {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	for _, e := range entries {
		if err := lines.Encode(e); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Load reads what Save wrote; call it before anything is noted. No file: nothing is known yet. A damaged file is set aside as
// path.damaged, and what could be read of it is there; the error says so, and is no reason not to start.
func (l *Ledger) Load(path string, now time.Time) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("what TLS was seen before is not known: %w", err)
	}
	defer f.Close()
	if err := l.read(f, now); err != nil {
		aside := path + ".damaged"
		return errors.Join(fmt.Errorf("%s is damaged, some of what TLS was seen before is lost (the file is kept as %s): %w", path, aside, err),
			os.Rename(path, aside))
	}
	return nil
}

// read takes entries as they were saved, through the same bounds as new ones.
func (l *Ledger) read(r io.Reader, now time.Time) error {
	var entries []*Entry
	var damage error
	for lines := json.NewDecoder(bufio.NewReader(io.LimitReader(r, maxFile))); len(entries) < maxDomains; {
		e := new(Entry)
		if err := lines.Decode(e); err == io.EOF {
			break
		} else if err != nil {
			damage = err
			break
		}
		if damage = e.check(now); damage != nil {
			break
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b *Entry) int { return cmp.Compare(a.Last.UnixNano(), b.Last.UnixNano()) })
	l.mu.Lock()
	for _, e := range entries {
		l.put(e)
	}
	l.changed = damage != nil
	l.mu.Unlock()
	l.Forget(now)
	return damage
}

// check makes an entry of a file as harmless as one that was noted. Times of a clock that ran ahead become now, or the entry
// would stay for ever.
func (e *Entry) check(now time.Time) error {
	domain, ok := DomainName(e.Domain)
	if !ok || len(e.Hosts) == 0 || len(e.Hosts) > maxHosts {
		return fmt.Errorf("a bad entry, %d hosts for %.60q", len(e.Hosts), e.Domain)
	}
	e.Domain, e.Version = domain, facts(e.Version, maxShort)
	for i := range e.Hosts {
		h := &e.Hosts[i]
		h.Seen = h.clean()
		h.Attempts = min(max(h.Attempts, 1), MaxAttempts)
		h.First, h.Last = earlier(h.First, now), earlier(h.Last, now)
	}
	e.Last, e.Delivered = earlier(e.Last, now), earlier(e.Delivered, now)
	return nil
}

func earlier(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return when(t)
}
