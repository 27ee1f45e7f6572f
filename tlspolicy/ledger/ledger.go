package ledger

import (
	"container/list"
	"sync"
	"time"
)

// Bounds. An entry takes 1 KB with one host, and up to 2 KB for each of them where all text is as long as it may be.
const (
	maxDomains  = 20_000
	maxHosts    = 8      // of a domain
	maxAllHosts = 40_000 // of all domains
	memory      = 30 * 24 * time.Hour

	// MaxAttempts is where attempts are counted no further. One message makes as many: how much mail there was is nobody's business.
	MaxAttempts = 20
)

// Ledger is what is known of all domains. Its methods may be called from many goroutines at once; Note and Delivered take
// about as long as a write to a map.
type Ledger struct {
	mu      sync.Mutex
	domains map[string]*list.Element // of *Entry, which is replaced and never changed
	order   *list.List               // the domain that failed last is in front
	hosts   int                      // of all domains
	changed bool                     // since the last Save
	bounds  bounds
}

type bounds struct{ domains, hosts int }

// New makes an empty ledger.
func New() *Ledger {
	return &Ledger{domains: map[string]*list.Element{}, order: list.New(), bounds: bounds{maxDomains, maxAllHosts}}
}

// Note keeps what an attempt for mail to domain, which failed or had to pass over hosts, saw at them. What is no name of a
// domain is passed over.
func (l *Ledger) Note(domain string, seen []Seen, now time.Time) {
	domain, ok := DomainName(domain)
	if !ok || len(seen) == 0 {
		return
	}
	clean := make([]Seen, min(len(seen), 2*maxHosts))
	for i := range clean {
		clean[i] = seen[i].clean()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(l.entry(domain).failed(domain, clean, now.UTC()))
}

// Delivered notes that mail for domain got through over TLS of that version ("TLS 1.3"; "" for clear text). Domains at which
// nothing ever failed are not in the ledger, and do not come into it. The first success after a failure counts: when mail goes
// out to a domain is nobody's business.
func (l *Ledger) Delivered(domain, version string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	element := l.domains[domain]
	if element == nil {
		return
	}
	next := *element.Value.(*Entry)
	if next.Delivered.After(next.Last) {
		return
	}
	next.Delivered, next.Version = now.UTC(), facts(version, maxShort)
	element.Value = &next
	l.changed = true
}

// Domain gives what is known of a domain, in lower case and ASCII; false: nothing.
func (l *Ledger) Domain(domain string) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entry(domain); e != nil {
		return *e, true
	}
	return Entry{}, false
}

func (l *Ledger) entry(domain string) *Entry {
	if element := l.domains[domain]; element != nil {
		return element.Value.(*Entry)
	}
	return nil
}

// put makes e the entry of its domain and has those that failed longest ago make room.
func (l *Ledger) put(e *Entry) {
	if element := l.domains[e.Domain]; element != nil {
		l.hosts -= len(element.Value.(*Entry).Hosts)
		element.Value = e
		l.order.MoveToFront(element)
	} else {
		l.domains[e.Domain] = l.order.PushFront(e)
	}
	l.hosts += len(e.Hosts)
	l.changed = true
	for len(l.domains) > l.bounds.domains || l.hosts > l.bounds.hosts {
		l.dropLast()
	}
}

func (l *Ledger) dropLast() {
	e := l.order.Remove(l.order.Back()).(*Entry)
	l.hosts -= len(e.Hosts)
	delete(l.domains, e.Domain)
	l.changed = true
}

// Forget drops the domains at which nothing failed for 30 days.
func (l *Ledger) Forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for last := l.order.Back(); last != nil && now.Sub(last.Value.(*Entry).Last) > memory; last = l.order.Back() {
		l.dropLast()
	}
}

// all gives the entries, the one that failed longest ago first, and takes note that they are saved.
func (l *Ledger) all() (entries []*Entry, changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if changed, l.changed = l.changed, false; !changed {
		return nil, false
	}
	entries = make([]*Entry, 0, len(l.domains))
	for at := l.order.Back(); at != nil; at = at.Prev() {
		entries = append(entries, at.Value.(*Entry))
	}
	return entries, true
}
