package tenant

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Kind is what a refusal is about.
type Kind int

// Kinds of refusals.
const (
	Sender            Kind = iota // of the envelope
	From                          // the header field
	RecipientsPerHour             // with the keys of the configuration from here on
	RecipientsPerDay
	MessageSize
	Connections
	kinds int = iota
)

func (k Kind) String() string {
	return [kinds]string{"sender", "from", "recipients_per_hour", "recipients_per_day", "message_size", "connections"}[k]
}

// Refusal is a reply to a client: Code, enhanced status code (RFC 3463), and a sentence in ASCII for the person who reads
// it in the log of an application.
type Refusal struct {
	Code   int
	Status string
	Text   string
	First  bool // of its kind for a while: worth a line in the log; the others come in a summary, see [Tenants.Keep]
}

// Error makes a refusal the reason why a message is not read to its end.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %s %s", r.Code, r.Status, r.Text) }

// tally counts refusals of one kind.
type tally struct {
	count    int64 // since the start
	unlogged int64
	quiet    time.Time // until then refusals are counted for the next summary
}

// quietTime is how long refusals of one kind share a line in the log.
const quietTime = time.Minute

// refuse counts a refusal and makes it.
func (m *meter) refuse(now time.Time, kind Kind, code int, status, format string, args ...any) *Refusal {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &m.refusals[kind]
	t.count++
	m.refused = now
	first := !now.Before(t.quiet)
	if first {
		t.quiet = now.Add(quietTime)
	} else {
		t.unlogged++
	}
	return &Refusal{code, status, fmt.Sprintf(format, args...), first}
}

// summarize logs how many refusals had no line of their own, and goes on to count them while there are any.
func (m *meter) summarize(now time.Time, log *slog.Logger) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for kind := range m.refusals {
		t := &m.refusals[kind]
		if t.unlogged == 0 {
			continue
		}
		log.Info("refused", "tenant", m.id.String(), "rule", Kind(kind).String(), "more", t.unlogged)
		t.unlogged, t.quiet = 0, now.Add(quietTime)
	}
}

// clockText writes the time of now, or another one within days, for a person anywhere.
func clockText(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() {
		return t.Format("15:04 UTC")
	}
	return t.Format("2006-01-02 15:04 UTC")
}

// short makes s fit into a reply of 512 octets together with others, in printable ASCII.
func short(s string) string {
	const limit = 70
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > 126 {
			return '?'
		}
		return r
	}, s)
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
