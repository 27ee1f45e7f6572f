package watch

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"tlsrelay/queue"
)

const (
	page       = 500              // messages read from the store at a time
	gather     = 2 * time.Second  // other addresses of a server may pass, too
	rest       = 10 * time.Second // at least, between two looks through the queue
	restShare  = 9                // and so many times as long as a look took: of a server that comes and goes there may be one all the time
	sweepPause = 30 * time.Minute // until destinations for which no mail waits any more are looked for
)

// tend sends the mail for servers that have passed, and forgets destinations for which none waits.
func (w *Watch) tend(ctx context.Context) {
	sweep := time.NewTicker(sweepPause)
	defer sweep.Stop()
	var before []*revived
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			w.sweep(ctx)
		case <-w.passed:
			pause(ctx, gather)
			began := time.Now()
			now := w.take()
			w.revive(ctx, slices.Concat(before, now))
			pause(ctx, max(rest, restShare*time.Since(began)))
			if before = now; len(now) > 0 {
				w.wake() // once more, for mail that was just being put off
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// revived is a server that passed, and whose mail is sent.
type revived struct {
	key
	host, remote, cause string
	destinations        []string
	passed              time.Time
	jobs                int  // that are due now
	told                bool // in the log
}

// take gives the servers that have passed, and watches them no longer.
func (w *Watch) take() []*revived {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*revived
	for _, s := range w.mended {
		r := &revived{key: s.key, host: s.host, remote: s.remote, cause: s.cause, passed: w.opts.Now()}
		for destination := range s.destinations {
			r.destinations = append(r.destinations, destination)
			w.unwatch(s, destination)
		}
		all = append(all, r)
	}
	w.mended = nil
	return all
}

// revive makes the jobs due that wait for servers that have passed.
func (w *Watch) revive(ctx context.Context, servers []*revived) {
	if len(servers) == 0 {
		return
	}
	c := w.newCall(servers)
	err := w.pages(ctx, func(items []queue.Item) error {
		var jobs []queue.JobKey
		for i := range items {
			jobs = append(jobs, c.jobs(&items[i])...)
		}
		if len(jobs) == 0 {
			return nil
		}
		_, err := w.opts.Retry(ctx, jobs)
		return err
	})
	for _, s := range servers {
		if s.jobs > 0 || !s.told {
			w.opts.Log.Info("server recovered", "host", queue.Printable(s.host), "address", s.remote, "was", s.cause, "jobs", s.jobs)
		}
		s.jobs, s.told = 0, true
	}
	if err != nil && ctx.Err() == nil {
		w.opts.Log.Error("mail for servers that recovered waits for its ordinary time", "error", err)
	}
}

// pages calls fn with all messages of the queue, a page at a time.
func (w *Watch) pages(ctx context.Context, fn func([]queue.Item) error) error {
	for after := queue.ID(0); ; {
		items, err := w.opts.Store.Scan(ctx, after, page)
		if err != nil || len(items) == 0 {
			return err
		}
		if err := fn(items); err != nil || len(items) < page {
			return err
		}
		after = items[len(items)-1].ID
	}
}

// call finds the jobs that wait for servers that have passed: those of the destinations known to, and those of others that met
// the same address. Most of these were never tried there themselves, since mail for a site at rest is put off.
type call struct {
	w        *Watch
	byKey    map[key]*revived
	byRemote map[string]bool
	byDomain map[string]*revived
}

func (w *Watch) newCall(servers []*revived) *call {
	c := &call{w: w, byKey: make(map[key]*revived), byRemote: make(map[string]bool), byDomain: make(map[string]*revived)}
	for _, s := range servers {
		c.byKey[s.key], c.byRemote[s.remote] = s, true
		for _, destination := range s.destinations {
			c.byDomain[destination] = s
		}
	}
	return c
}

// jobs gives the jobs of a message that wait for one of the servers.
func (c *call) jobs(item *queue.Item) []queue.JobKey {
	if item.RequireTLS {
		return nil
	}
	var keys []queue.JobKey
	seen := make(map[string]bool)
	for i := range item.Recipients {
		r := &item.Recipients[i]
		if r.State.Done() || seen[r.Destination] || !waitsForTLS(&r.Last) {
			continue
		}
		if s := c.server(r); s != nil && r.Last.End.Before(s.passed) {
			seen[r.Destination] = true
			s.jobs++
			keys = append(keys, queue.JobKey{ID: item.ID, Destination: r.Destination})
		}
	}
	return keys
}

// server gives the server for which a recipient waits, nil if it is none of those that have passed.
func (c *call) server(r *queue.Recipient) *revived {
	if s := c.byDomain[r.Destination]; s != nil {
		return s
	}
	for _, e := range evidenceOf(r) {
		if !c.byRemote[e.Remote] {
			continue
		}
		if target, decision, ok := c.w.opts.Trial(r.Destination, e.Host, e.Remote); ok {
			if s := c.byKey[key{target, decision.Key()}]; s != nil {
				return s
			}
		}
	}
	return nil
}

// evidenceOf gives the addresses for which a recipient waits. Mail that was put off has no evidence, but the outcome of another
// message.
func evidenceOf(r *queue.Recipient) []queue.Evidence {
	last := queue.Evidence{Host: r.Last.Host, Remote: r.Last.Remote, Cause: r.Last.Cause}
	for _, e := range r.Evidence {
		if e.Remote == last.Remote {
			return r.Evidence
		}
	}
	return append([]queue.Evidence{last}, r.Evidence...)
}

// load watches the servers for which mail in the store waits. It leaves the disk half of the time to others.
func (w *Watch) load(ctx context.Context) {
	began := time.Now()
	err := w.pages(ctx, func(items []queue.Item) error {
		for i := range items {
			w.waits(&items[i])
		}
		pause(ctx, time.Since(began))
		began = time.Now()
		return ctx.Err()
	})
	if err != nil && ctx.Err() == nil {
		w.opts.Log.Error("servers for which mail waits are watched only after its next attempt", "error", err)
	}
}

// waits watches the servers for which a message waits.
func (w *Watch) waits(item *queue.Item) {
	if item.RequireTLS {
		return
	}
	last := ""
	for i := range item.Recipients {
		r := &item.Recipients[i]
		if r.State.Done() || r.Destination == last || !waitsForTLS(&r.Last) {
			continue
		}
		last = r.Destination
		w.failed(r.Destination, evidenceOf(r), r.Last.End)
	}
}

// sweep forgets what no mail waits for any more.
func (w *Watch) sweep(ctx context.Context) {
	idle := w.watched()
	for after := queue.ID(0); len(idle) > 0; {
		jobs, last, err := w.opts.Store.Jobs(ctx, after, page)
		if err != nil {
			return // the next sweep will do
		}
		for _, j := range jobs {
			delete(idle, j.Destination)
		}
		if after = last; last == 0 {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for destination := range idle {
		for _, s := range slices.Clone(w.destinations[destination]) {
			w.unwatch(s, destination)
		}
	}
	for _, s := range w.servers {
		w.forget(s)
	}
	maps.DeleteFunc(w.rests, func(_ netip.Prefix, until time.Time) bool { return !until.After(w.opts.Now()) })
}

// watched gives the destinations for which mail waits, or did.
func (w *Watch) watched() map[string]struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make(map[string]struct{}, len(w.destinations))
	for destination := range w.destinations {
		all[destination] = struct{}{}
	}
	return all
}
