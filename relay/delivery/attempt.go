package delivery

import (
	"context"
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// Bounds of one attempt. RFC 5321 section 5.1 wants at least two addresses tried.
const (
	maxConnects = 10 // addresses connected to
	maxSessions = 2  // sessions that came as far as MAIL, as in Postfix's smtp_mx_session_limit

	// After this time two addresses must do: ten tarpits behind one name would hold a worker for hours, a quarter each.
	maxTime = 15 * time.Minute
)

// attempt is the state of one attempt: what is left to deliver, and what was learnt on the way.
type attempt struct {
	d        *Deliverer
	job      queue.Job
	next     func() (queue.Job, bool) // nil when it was asked
	decision tlspolicy.Decision
	start    time.Time

	demanding bool // the message asks for better TLS than its destination does

	left      []int                 // recipients without a final outcome
	outcomes  map[int]queue.Outcome // final ones, and the latest temporary one of recipients that are left
	worst     trouble               // the most telling trouble with a host so far
	brokenTLS bool
	spoke     bool // a host said something about the mail
	answered  bool // and said what becomes of it
	connects  int
	sessions  int
	reached   bool     // some address answered
	resting   []hop    // addresses passed over because they are dead
	heard     string   // address of the server that spoke in a session kept from before
	open      *session // over which more mail could go; nil: none

	evidence []queue.Evidence  // of the addresses at which TLS failed
	shown    *x509.Certificate // with which the latest handshake failed; nil: none that can be read
}

func (d *Deliverer) newAttempt(job queue.Job, next func() (queue.Job, bool)) *attempt {
	a := &attempt{
		d:        d,
		job:      job,
		next:     next,
		decision: d.opts.Policy.Decide(job.Destination(), d.opts.Now()),
		outcomes: make(map[int]queue.Outcome, len(job.Recipients)),
		left:     job.Recipients,
		start:    d.opts.Now(),
	}
	usual := a.decision.Level
	for _, i := range job.Recipients {
		if job.Item.Recipients[i].TLSFailed {
			a.decision = a.decision.WithoutClearText()
		}
	}
	if job.Item.RequireTLS {
		a.decision = a.decision.Authenticated()
	}
	a.demanding = job.Item.RequireTLS || a.decision.Level != usual
	return a
}

// reuse delivers over a session that was kept. If the server has given that up meanwhile nothing is lost, and nothing learnt.
func (a *attempt) reuse(ctx context.Context, s *session) {
	s.reused = true
	t := s.deliver(ctx)
	if a.spoke {
		a.sessions++
		a.connects++ // it cost as much as one
		a.heard, a.reached = s.at, true
		a.note(t)
	} else if len(a.left) > 0 {
		clear(a.outcomes)
	}
	a.keep(ctx, s)
}

// run goes through the hosts and their addresses until no recipient is left.
func (a *attempt) run(ctx context.Context) {
	if len(a.left) == 0 {
		return
	}
	hosts, none := a.d.nextHops(ctx, a.job.Destination())
	hosts, none = a.provenHosts(hosts, none)
	if len(hosts) == 0 {
		a.note(trouble{Outcome: none, weight: weightFinal})
		return
	}
	for i, h := range hosts {
		if a.comesBack(ctx, hosts, i) {
			break
		}
		addrs, none := a.d.addresses(ctx, h)
		if len(addrs) == 0 {
			none.Host = h.name
			a.note(trouble{Outcome: none, weight: weightDNS})
			continue
		}
		if a.visit(ctx, h, addrs); a.ended(ctx) {
			return
		}
	}
	if len(a.resting) > 0 && !a.reached { // nothing else is there: a dead one may be back
		dead := a.resting[0]
		a.meet(ctx, dead.host, []netip.Addr{dead.addr})
	}
}

// exhausted reports whether the attempt has cost enough.
func (a *attempt) exhausted() bool {
	late := a.connects >= 2 && a.d.opts.Now().Sub(a.start) >= maxTime
	return late || a.connects >= maxConnects || a.sessions >= maxSessions
}

// keep holds a session for more mail if it is good for that.
func (a *attempt) keep(ctx context.Context, s *session) {
	if s.over || s.worn() {
		s.conn.Quit(ctx)
		return
	}
	a.open = s
}

// leave ends the open session before another is made: a worker has one connection.
func (a *attempt) leave(ctx context.Context) {
	if a.open != nil {
		a.open.conn.Quit(ctx)
		a.open = nil
	}
}

// note keeps the most telling trouble, the first one of equal weight: that of the preferred host.
func (a *attempt) note(t trouble) {
	if t.Outcome.TLS.Broken {
		a.brokenTLS = true
		a.decision = a.decision.WithoutClearText()
	}
	if t.weight > a.worst.weight {
		a.worst = t
	}
}

// settle records the outcome of a recipient. One that is not final stays for the next host.
func (a *attempt) settle(recipient int, o queue.Outcome, final bool) {
	a.outcomes[recipient] = o
	if final {
		a.left = slices.DeleteFunc(slices.Clone(a.left), func(i int) bool { return i == recipient })
	}
}

// report gives the outcomes in the order of the job's recipients. One for whom no host got as far as an answer shares the
// trouble with the hosts.
func (a *attempt) report(ctx context.Context) queue.Report {
	end := a.d.opts.Now()
	outcomes := make([]queue.Outcome, len(a.job.Recipients))
	for n, i := range a.job.Recipients {
		o, ok := a.outcomes[i]
		if !ok {
			o = a.worst.Outcome
		}
		if o.Result == queue.ResultDeferred && o.Cause == "" {
			o = deferred(queue.LocalTrouble, "", "the attempt was cut short")
		}
		o.Reply, o.Detail = clip(o.Reply), clip(queue.Printable(o.Detail)) // names in a certificate are a remote's words, too
		o.Start, o.End = a.start, end
		o.TLS.Floor = a.decision.Floor.String()
		o.TLS.Broken = a.brokenTLS
		outcomes[n] = o
	}
	return queue.Report{Outcomes: outcomes, Evidence: a.evidence, Site: a.health(ctx)}
}

// maxWords bounds what is kept of a remote's words, in bytes: enough for any honest reply, and each recipient has its own copy
// in the queue.
const maxWords = 1000

func clip(s string) string {
	if len(s) <= maxWords {
		return s
	}
	return strings.ToValidUTF8(s[:maxWords], "?") + " [...]"
}
