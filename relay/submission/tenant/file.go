package tenant

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"syscall"
)

// maxFile bounds the file in bytes: it has a line of some 300 for each of maxTenants.
const maxFile = 64 << 20

// record is a tenant in the file: a line of JSON. Slots are as in a window, without the zeros at the end.
type record struct {
	Account string   `json:"account,omitempty"`
	Network string   `json:"network,omitempty"`
	HourAt  int64    `json:"hour_at"`
	Hour    []uint32 `json:"hour"`
	DayAt   int64    `json:"day_at"`
	Day     []uint32 `json:"day"`
}

// Save writes what was counted to a file: whole or not at all. Nothing is written if nothing was counted since the last
// time.
func (t *Tenants) Save(path string) error {
	if !t.changed.Swap(false) {
		return nil
	}
	if err := t.write(path); err != nil {
		t.changed.Store(true)
		return fmt.Errorf("saving what tenants have sent: %w", err)
	}
	return nil
}

func (t *Tenants) write(path string) error {
	next := path + ".new" // nobody else writes it: one relay runs on a data folder
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(t.print(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func (t *Tenants) print(w io.Writer) error {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	for _, m := range t.all() {
		if r := m.record(); len(r.Day) > 0 {
			if err := lines.Encode(r); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

func (m *meter) record() record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return record{
		Account: m.id.Account, Network: prefixText(m.id.Network),
		HourAt: m.hour.at, Hour: m.hour.trimmed(), DayAt: m.day.at, Day: m.day.trimmed(),
	}
}

// trimmed gives a copy of the slots up to the last that is not empty.
func (w *window) trimmed() []uint32 {
	n := len(w.slots)
	for n > 0 && w.slots[n-1] == 0 {
		n--
	}
	return append([]uint32{}, w.slots[:n]...)
}

// Load reads what Save wrote; call it before anything is counted. No file: nothing was counted yet. After an error, that
// the file is damaged or cannot be read, what could be read is there.
func (t *Tenants) Load(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer f.Close()
		err = t.read(f)
	}
	if err != nil {
		return fmt.Errorf("what tenants have sent before is not known: %s: %w", path, err)
	}
	return nil
}

func (t *Tenants) read(r io.Reader) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for lines := json.NewDecoder(io.LimitReader(r, maxFile)); len(t.meters) < t.most; {
		var line record
		if err := lines.Decode(&line); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		m, err := line.meter()
		if err != nil {
			return err
		}
		if m.day.sum(now) > 0 || m.hour.sum(now) > 0 {
			t.meters[m.id] = m
		}
	}
	return nil
}

func (r *record) meter() (*meter, error) {
	id := ID{Account: r.Account}
	var err error
	if r.Account == "" {
		id.Network, err = netip.ParsePrefix(r.Network)
	}
	m := newMeter(id)
	if err == nil && (len(r.Hour) > len(m.hour.slots) || len(r.Day) > len(m.day.slots)) {
		err = fmt.Errorf("too many numbers for %s", id)
	}
	m.hour.at, m.day.at = r.HourAt, r.DayAt
	copy(m.hour.slots, r.Hour)
	copy(m.day.slots, r.Day)
	return m, err
}
