package tenant

import (
	"sync"
	"time"
)

// meter is what is counted of one tenant.
type meter struct {
	id ID

	mu       sync.Mutex
	seats    int // connections
	held     int // places for recipients of transactions under way
	hour     window
	day      window // recipients of accepted messages, as in hour
	refusals [kinds]tally
	refused  time.Time // last
}

func newMeter(id ID) *meter { return &meter{id: id, hour: newHour(), day: newDay()} }

// enter takes a seat, unless all of them are taken; limit 0 is no limit.
func (m *meter) enter(limit int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if limit > 0 && m.seats >= limit {
		return false
	}
	m.seats++
	return true
}

func (m *meter) leave() {
	m.mu.Lock()
	m.seats--
	m.mu.Unlock()
}

// hold takes a place for one recipient. If the limit of r is reached, it says which, and when there will be room.
func (m *meter) hold(now time.Time, r *rule) (kind Kind, until time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	hour := m.hour.room(now, m.held, r.RecipientsPerHour)
	day := m.day.room(now, m.held, r.RecipientsPerDay)
	switch {
	case hour.IsZero() && day.IsZero():
		m.held++
		return 0, time.Time{}, true
	case day.Before(hour):
		return RecipientsPerHour, hour, false
	}
	return RecipientsPerDay, day, false
}

// free gives places back.
func (m *meter) free(n int) {
	m.mu.Lock()
	m.held -= n
	m.mu.Unlock()
}

// count turns places into recipients of an accepted message.
func (m *meter) count(now time.Time, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held -= n
	m.hour.add(now, n)
	m.day.add(now, n)
}

// idle reports whether nothing would be lost if the meter began anew.
func (m *meter) idle(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.unused() && m.day.sum(now) == 0 && now.Sub(m.refused) > 24*time.Hour
}

// unused reports whether nobody holds the meter.
func (m *meter) unused() bool { return m.seats == 0 && m.held == 0 }
