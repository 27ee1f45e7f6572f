package delivery

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/dns"
	"tlsrelay/relay/smtpclient"
	"tlsrelay/tlspolicy"
)

// Options says how a Deliverer works.
type Options struct {
	Hostname         string // for EHLO
	Resolver         dns.Resolver
	Policy           *tlspolicy.Policy
	Routes           []Route
	Port             uint16       // of MX hosts
	Source           []netip.Addr // local addresses to send from; none: the system chooses
	PrivateAddresses bool         // MX hosts may have loopback and private addresses
	Timeouts         smtpclient.Timeouts
	Now              func() time.Time
}

// Deliverer implements [queue.Deliverer] over SMTP.
type Deliverer struct{ opts Options }

// New makes a Deliverer.
func New(o Options) *Deliverer { return &Deliverer{o} }

// Site names the way that mail for a destination takes: all destinations of one route share it, any other has its own.
func (d *Deliverer) Site(destination string) string {
	if route := routeFor(d.opts.Routes, destination); route != nil {
		return "route " + route.Domain
	}
	return destination
}

// Bounds of one attempt. RFC 5321 section 5.1 wants at least two addresses tried.
const (
	maxConnects = 10 // addresses connected to
	maxSessions = 2  // sessions that came as far as MAIL, as in Postfix's smtp_mx_session_limit
)

// Deliver implements [queue.Deliverer].
func (d *Deliverer) Deliver(ctx context.Context, job queue.Job) []queue.Outcome {
	a := &attempt{
		d:        d,
		job:      job,
		decision: d.opts.Policy.Decide(job.Destination(), d.opts.Now()),
		outcomes: make(map[int]queue.Outcome, len(job.Recipients)),
		left:     job.Recipients,
		start:    d.opts.Now(),
	}
	for _, i := range job.Recipients {
		if job.Item.Recipients[i].TLSFailed {
			a.decision = a.decision.WithoutClearText()
		}
	}
	if job.Item.RequireTLS {
		a.decision = a.decision.Authenticated()
	}
	a.run(ctx)
	return a.result()
}

// attempt is the state of one attempt: what is left to deliver, and what was learnt on the way.
type attempt struct {
	d        *Deliverer
	job      queue.Job
	decision tlspolicy.Decision
	start    time.Time

	left      []int                 // recipients without a final outcome
	outcomes  map[int]queue.Outcome // final ones, and the latest temporary one of recipients that are left
	worst     trouble               // the most telling trouble with a host so far
	brokenTLS bool
	connects  int
	sessions  int
}

// run goes through the hosts and their addresses.
func (a *attempt) run(ctx context.Context) {
	hosts, none := a.d.nextHops(ctx, a.job.Destination())
	hosts, none = a.provenHosts(hosts, none)
	if len(hosts) == 0 {
		a.note(trouble{Outcome: none, weight: weightFinal})
		return
	}
	for _, h := range hosts {
		addrs, none := a.d.addresses(ctx, h)
		if len(addrs) == 0 {
			none.Host = h.name
			a.note(trouble{Outcome: none, weight: weightDNS})
			continue
		}
		for _, addr := range addrs {
			if len(a.left) == 0 || a.connects == maxConnects || a.sessions == maxSessions || ctx.Err() != nil {
				return
			}
			a.connects++
			a.note(a.session(ctx, h, addr))
		}
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

// result gives the outcomes in the order of the job's recipients. One for whom no host got as far as an answer shares the
// trouble with the hosts.
func (a *attempt) result() []queue.Outcome {
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
		o.Reply, o.Detail = clip(o.Reply), clip(o.Detail)
		o.Start, o.End = a.start, end
		o.TLS.Floor = a.decision.Floor.String()
		o.TLS.Broken = a.brokenTLS
		outcomes[n] = o
	}
	return outcomes
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
