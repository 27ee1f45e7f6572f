package probe

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tlsrelay/tlspolicy"
)

// Options says how a Prober works.
type Options struct {
	// Open leads a new connection to the point where the server waits for a ClientHello, within its context. The error is
	// ErrNotOffered where STARTTLS is not, and ErrRefused where it is refused for good.
	Open   func(context.Context, Target) (net.Conn, error)
	Roots  *x509.CertPool   // to verify certificates against; nil: the system's
	Now    func() time.Time // nil: time.Now
	Keep   time.Duration    // how long a Result is good for; 0: six hours
	Probes int              // at once, each at another address; under 1 is 4
}

const (
	keepDefault   = 6 * time.Hour
	keepTrouble   = 5 * time.Minute  // may be over soon
	keepUnclear   = 30 * time.Minute // may be clear another time
	probesDefault = 4
)

// Prober asks mail servers what TLS they offer, and remembers their answers. Its methods may be called from any goroutine.
type Prober struct {
	opts  Options
	turns turns
	begun atomic.Int64 // see Begun

	mu   sync.Mutex
	runs map[Target]*run // that are under way
	kept cache
}

// New makes a Prober.
func New(o Options) *Prober {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Keep = cmp.Or(o.Keep, keepDefault)
	if o.Probes < 1 {
		o.Probes = probesDefault
	}
	return &Prober{opts: o, turns: newTurns(o.Probes), runs: make(map[Target]*run), kept: newCache()}
}

// run is one probe, which lasts as long as anyone waits for it.
type run struct {
	stop    context.CancelFunc
	done    chan struct{} // closed when result is there
	result  *Result
	waiting int
}

// key is the same for all ways to write a target.
func (t Target) key() Target {
	t.Addr = netip.AddrPortFrom(t.Addr.Addr().Unmap(), t.Addr.Port())
	t.Name = strings.ToLower(strings.TrimSuffix(t.Name, "."))
	return t
}

// Known gives the Result for a target if there is one that is still good. It does not wait.
func (p *Prober) Known(t Target) (*Result, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept.get(t.key(), p.opts.Now())
}

// Doubt forgets the Result for a target, unless that is fresh, and reports whether it did: somebody saw something else there.
func (p *Prober) Doubt(t Target) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, now := t.key(), p.opts.Now()
	r, known := p.kept.get(t, now)
	if !known || now.Sub(r.Time) < keepUnclear {
		return false
	}
	p.kept.forget(t)
	return true
}

// Probe gives the Result for a target: a known one, or that of a probe, which it waits for. Callers for the same target share
// one. When the context ends, the Result says so in its Trouble, and has what was found until then, unless others still wait for it.
// Results are shared, too: nobody may change them.
func (p *Prober) Probe(ctx context.Context, t Target) *Result {
	t = t.key()
	p.mu.Lock()
	if known, ok := p.kept.get(t, p.opts.Now()); ok {
		p.mu.Unlock()
		return known
	}
	r := p.runs[t]
	if r == nil {
		r = p.start(t)
	}
	r.waiting++
	p.mu.Unlock()

	select {
	case <-r.done:
		return r.result
	case <-ctx.Done():
		if p.leave(t, r) {
			return r.result
		}
		return &Result{Target: t, Time: p.opts.Now(), Trouble: stopped}
	}
}

const stopped = "the probe was stopped before its end"

// Begun gives how many probes were begun so far.
func (p *Prober) Begun() int64 { return p.begun.Load() }

// start begins a probe. It needs the lock.
func (p *Prober) start(t Target) *run {
	p.begun.Add(1)
	ctx, stop := context.WithCancel(context.Background())
	r := &run{stop: stop, done: make(chan struct{})}
	p.runs[t] = r
	go func() {
		defer stop()
		r.result = p.probe(ctx, t)
		p.mu.Lock()
		if p.runs[t] == r {
			delete(p.runs, t)
			p.kept.put(t, r.result, p.opts.Now().Add(p.keep(r.result)))
		}
		p.mu.Unlock()
		close(r.done)
	}()
	return r
}

// leave is for a caller who waits no longer. The last one ends the probe, and hears so: there is a result then.
func (p *Prober) leave(t Target, r *run) (last bool) {
	p.mu.Lock()
	r.waiting--
	last = r.waiting == 0
	if last && p.runs[t] == r {
		delete(p.runs, t)
	}
	p.mu.Unlock()
	if last {
		r.stop()
		<-r.done
	}
	return last
}

// keep tells how long a result is good for.
func (p *Prober) keep(r *Result) time.Duration {
	switch {
	case r.STARTTLS == No, r.Refused:
		return p.opts.Keep
	case r.Trouble != "":
		return min(keepTrouble, p.opts.Keep)
	case r.Reaches(tlspolicy.MinFloor) == Unknown, len(r.Offered()) == 0:
		return min(keepUnclear, p.opts.Keep)
	}
	return p.opts.Keep
}

// Try shakes hands with a server as mail does, under the decision, and hangs up. The error says why no mail could go over the session;
// nil is for one that could, and forgets the target's Result, since it tells of a time before.
func (p *Prober) Try(ctx context.Context, t Target, d tlspolicy.Decision) error {
	t = t.key()
	done, err := p.turns.take(ctx, t.Addr.Addr())
	if err != nil {
		return err
	}
	defer done()
	l := &line{p: p, ctx: ctx, target: t}
	big := Unknown // whether it gets over that
	if r, known := p.Known(t); known {
		big = r.BigHello
	}
	if big == No {
		d = d.SmallHello()
	}
	h, err := l.shake(d)
	if err == nil && big == Unknown && d.TrySmallHello(h.err, h.seen) {
		h, err = l.shake(d.SmallHello())
	}
	switch {
	case errors.Is(err, ErrNotOffered):
		return err
	case err != nil:
		return fmt.Errorf("no session: %s", words(err))
	case h.err != nil:
		return fmt.Errorf("no session: %s; the server sent: %s", words(h.err), h.seen)
	}
	if v := d.Judge(true, &h.state); !v.Pass {
		return errors.New(v.Detail)
	}
	p.mu.Lock()
	p.kept.forget(t)
	p.mu.Unlock()
	return nil
}
