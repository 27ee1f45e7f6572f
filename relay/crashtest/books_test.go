//go:build linux

package crashtest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// books are what clients, mail hosts and the relay's log say of each mail.
type books struct {
	mu      sync.Mutex
	mails   []*mail        // by number
	refused map[string]int // replies that refused a mail, "452 4.3.1", and how often
	orderly map[int]bool   // lives of the relay that it ended itself, in order; all others were cut short
	acked   int
}

func newBooks() *books { return &books{refused: map[string]int{}, orderly: map[int]bool{}} }

// arrivals are copies of one message that reached a mail host.
type arrivals struct {
	lives  []int // of the relay that sent them
	broken int   // copies whose text was not whole
	stored int   // the life in which the relay said that the delivery is done, 0: in none so far
}

// write makes a mail that is about to be handed in.
func (b *books) write(domain string, size int) *mail {
	b.mu.Lock()
	number := len(b.mails)
	b.mails = append(b.mails, nil)
	b.mu.Unlock()
	m := newMail(number, domain, size)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails[number] = m
	return m
}

// mix writes mails of all kinds, most of them small, one in 32 so large that a store may treat it apart.
func (b *books) mix() *mail {
	n, size := b.count(), 4<<10
	switch n % 32 {
	case 5:
		size = 1500 << 10
	case 9, 18:
		size = 200 << 10
	}
	return b.write(kinds[n%len(kinds)], size)
}

// heavy writes mails of which a second's load fills a segment.
func (b *books) heavy() *mail { return b.write(kinds[b.count()%len(kinds)], 600<<10) }

// kinds of mail, by their domains.
var kinds = []string{good, bounce, good, wait, good}

func (b *books) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.mails)
}

// get finds a mail by number. It gives nil for one that nobody wrote.
func (b *books) get(number int) *mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	if number < 0 || number >= len(b.mails) {
		return nil
	}
	return b.mails[number]
}

func (b *books) takeOver(m *mail) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.acked = true
	b.acked++
}

func (b *books) refuse(reply string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused[reply]++
}

// replies counts mails that were taken over, and refusals by reply.
func (b *books) replies() (acked int, refused map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acked, maps.Clone(b.refused)
}

// arrive books a mail or a notice that a host has read to its end.
func (b *books) arrive(m *mail, notice bool, life int, whole bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := m.arrivals(notice)
	a.lives = append(a.lives, life)
	if !whole {
		a.broken++
	}
}

// store books that the relay has said, in one of its lives, that a delivery is done.
func (b *books) store(number int, notice bool, life int) {
	m := b.get(number)
	if m == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := m.arrivals(notice); a.stored == 0 {
		a.stored = life
	}
}

func (m *mail) arrivals(notice bool) *arrivals {
	if notice {
		return &m.notices
	}
	return &m.copies
}

// audit compares the books with the queue, and gives a line for each thing that is wrong. The listing must be older than the
// call: what it does not hold has left the queue before, and so has arrived before.
func (b *books) audit(queued map[int]bool) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var wrong []string
	for _, m := range b.mails {
		if m == nil {
			continue
		}
		report := func(format string, args ...any) {
			about := fmt.Sprintf("mail %d to %s (%d bytes, acknowledged: %v): ", m.number, m.domain, m.length, m.acked)
			wrong = append(wrong, about+fmt.Sprintf(format, args...))
		}
		delivered, bounced := len(m.copies.lives), len(m.notices.lives)
		if m.acked && !m.deleted && delivered == 0 && bounced == 0 && !queued[m.number] {
			report("lost")
		}
		if delivered > 0 && bounced > 0 {
			report("both delivered and bounced")
		}
		if broken := m.copies.broken + m.notices.broken; broken > 0 {
			report("%d of its copies and notices are not whole", broken)
		}
		if !b.excused(m.copies) || !b.excused(m.notices) {
			report("came more than once without need: copies from lives %v, stored in %d; notices from lives %v, stored in %d",
				m.copies.lives, m.copies.stored, m.notices.lives, m.notices.stored)
		}
	}
	return wrong
}

// excused reports whether each copy but the last one was sent by a life of the relay that was cut short, and none after it
// knew the delivery to be done: then the delivery was in flight, and nobody could know.
func (b *books) excused(a arrivals) bool {
	lives := slices.Sorted(slices.Values(a.lives))
	for i, life := range lives {
		if i > 0 && (life == lives[i-1] || b.orderly[lives[i-1]]) || a.stored > 0 && life > a.stored {
			return false
		}
	}
	return true
}

// String gives the totals.
func (b *books) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var delivered, bounced, more, deleted, refused int
	for _, m := range b.mails {
		if m == nil {
			continue
		}
		delivered += min(1, len(m.copies.lives))
		bounced += min(1, len(m.notices.lives))
		more += max(0, len(m.copies.lives)-1) + max(0, len(m.notices.lives)-1)
		if m.deleted {
			deleted++
		}
	}
	for _, n := range b.refused {
		refused += n
	}
	return fmt.Sprintf("%d mails, %d acknowledged, %d refused, %d delivered, %d bounced, %d deleted, %d copies too many",
		len(b.mails), b.acked, refused, delivered, bounced, deleted, more)
}
