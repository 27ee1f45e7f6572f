package watch

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/party"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// The pace of trials.
const (
	firstPause = 5 * time.Minute  // after an attempt failed
	nextPause  = 10 * time.Minute // between trials of one server
	partyPause = 2 * time.Minute  // between those of servers that are one party: names of hosts may all lead to the same address
	longPause  = time.Hour        // the first pause at most, where a server that passed has failed again
	memory     = 2 * time.Hour    // for how long it is known that a server passed
	spread     = 10               // a pause is up to a tenth longer, so that servers do not come in waves
	spacing    = 10 * time.Second // between trials of one IP address, whatever names it has
)

// maxDestinations bounds what is watched: mail for more of them follows its ordinary schedule.
const maxDestinations = 10_000

// Options says what a Watch works with. All fields are needed.
type Options struct {
	Store queue.Store
	Retry func(context.Context, []queue.JobKey) (queue.Retried, error) // makes jobs due now

	// Trial gives what to ask of an address of a host so that mail for a destination may go there, as things stand; false if none
	// goes there, or nothing is to be asked.
	Trial func(destination, host, remote string) (probe.Target, tlspolicy.Decision, bool)
	// Try shakes hands once. nil: mail could go over the session.
	Try func(context.Context, probe.Target, tlspolicy.Decision) error

	Now func() time.Time
	Log *slog.Logger
}

// Watch knows the servers for which mail waits because of their TLS. Its methods may be called from any goroutine, and but for Run
// they wait for nobody.
type Watch struct {
	opts   Options
	passed chan struct{} // of one place: mended has something

	mu           sync.Mutex
	servers      map[key]*server
	destinations map[string][]*server // for which mail waits
	due          dueServers
	rests        map[netip.Prefix]time.Time // until when a party is left alone; zero after a trial that went well
	mended       []*server                  // whose mail is to be sent now
}

// key tells servers apart: one address may have to show more for one destination than for another.
type key struct {
	target   probe.Target
	decision string
}

// server is one address of a host, as for some destinations.
type server struct {
	key
	host, remote string // as in [queue.Evidence]
	cause        string // the latest
	destinations map[string]struct{}

	at     time.Time // of the next trial
	since  time.Time // when that would have been, were it not for others at the same place
	place  int       // in Watch.due; outside if it is not there
	trying bool
	passes int       // trials that went well, though mail failed afterwards
	until  time.Time // the passes are remembered
}

// party is whose server it is.
func (s *server) party() netip.Prefix { return party.Of(s.target.Addr.Addr()) }

// outside is the place of a server that is not in Watch.due.
const outside = -1

// New makes a Watch; Run makes it work.
func New(o Options) *Watch {
	return &Watch{opts: o, passed: make(chan struct{}, 1), servers: make(map[key]*server), destinations: make(map[string][]*server),
		rests: make(map[netip.Prefix]time.Time)}
}

// Attempted takes in what an attempt came to. Mail that goes well costs nothing.
func (w *Watch) Attempted(job queue.Job, report queue.Report) {
	if len(report.Evidence) == 0 || job.Item.RequireTLS { // such mail asks for more: a trial for other mail says nothing about it
		return
	}
	for i := range report.Outcomes {
		if waitsForTLS(&report.Outcomes[i]) {
			w.failed(job.Destination(), report.Evidence, w.opts.Now())
			return
		}
	}
}

// Servers gives how many servers there are for which mail waits.
func (w *Watch) Servers() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, s := range w.servers {
		if len(s.destinations) > 0 {
			n++
		}
	}
	return n
}

// waitsForTLS reports whether an outcome leaves mail waiting for better TLS.
func waitsForTLS(o *queue.Outcome) bool {
	return tlspolicy.IsCause(o.Cause) && o.Result == queue.ResultDeferred
}

// failed watches the addresses at which TLS failed, at a time, for a destination.
func (w *Watch) failed(destination string, evidence []queue.Evidence, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.destinations[destination]; !known && len(w.destinations) >= maxDestinations {
		return
	}
	for _, e := range evidence {
		target, decision, ok := w.opts.Trial(destination, e.Host, e.Remote)
		if !ok {
			continue
		}
		s := w.server(key{target, decision.Key()})
		s.host, s.remote, s.cause = e.Host, e.Remote, e.Cause
		if _, known := s.destinations[destination]; !known {
			s.destinations[destination] = struct{}{}
			w.destinations[destination] = append(w.destinations[destination], s)
		}
		if s.place == outside && !s.trying {
			w.schedule(s, at, min(firstPause<<min(s.passes, 10), longPause))
		}
	}
}

// server gives a server, new or known.
func (w *Watch) server(k key) *server {
	s := w.servers[k]
	if s == nil {
		s = &server{key: k, destinations: make(map[string]struct{}), place: outside}
		w.servers[k] = s
	}
	return s
}

// schedule has a server tried at a time after a pause, or soon if that is over.
func (w *Watch) schedule(s *server, after time.Time, pause time.Duration) {
	s.at = after.Add(pause)
	if now := w.opts.Now(); s.at.Before(now) {
		s.at = now
	}
	s.at = s.at.Add(rand.N(pause / spread))
	s.since = s.at
	w.due.add(s)
}

// unwatch ends what a server has to do with a destination. One that is left without any is forgotten.
func (w *Watch) unwatch(s *server, destination string) {
	delete(s.destinations, destination)
	left := w.destinations[destination]
	for i := range left {
		if left[i] == s {
			left = append(left[:i:i], left[i+1:]...)
			break
		}
	}
	if w.destinations[destination] = left; len(left) == 0 {
		delete(w.destinations, destination)
	}
	if len(s.destinations) == 0 {
		w.due.remove(s)
		w.forget(s)
	}
}

// forget drops a server that has no destination, unless it is good to know how often it passed.
func (w *Watch) forget(s *server) {
	if len(s.destinations) == 0 && !s.trying && !w.opts.Now().Before(s.until) && w.servers[s.key] == s {
		delete(w.servers, s.key)
	}
}
