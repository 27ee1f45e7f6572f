package delivery

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery/known"
	"tlsrelay/relay/dns"
	"tlsrelay/relay/smtpclient"
	"tlsrelay/tlspolicy"
)

// Options says how a Deliverer works.
type Options struct {
	Hostname         string // for EHLO, and for addresses that SourceNames does not have
	Resolver         Resolver
	Policy           *tlspolicy.Policy
	Routes           []Route
	Port             uint16       // of MX hosts
	Source           []netip.Addr // local addresses to send from, in turn; none of a family: the system chooses
	PrivateAddresses bool         // MX hosts may have loopback and private addresses
	Connections      int          // at once, to one site; under 1 is 1
	Timeouts         smtpclient.Timeouts
	Known            *known.Addresses // what is remembered of addresses; nil: nothing yet
	Now              func() time.Time
	Log              *slog.Logger // nil: none

	// Connect makes TCP connections; nil: the system does. Tests put a network in its place that lives in memory and in virtual
	// time, where fifteen minutes of a tarpit take no time.
	Connect func(ctx context.Context, d *net.Dialer, address string) (net.Conn, error)

	MessagesPerConnection int // under 1: no limit but the age of the connection
	SourceNames           map[netip.Addr]string
	Domains               []Domain // with names that differ

	Prober Prober // nil: why TLS fails is known by what attempts see alone

	Listeners  []netip.AddrPort           // where this relay takes mail; an unspecified address stands for all of this machine
	Interfaces func() ([]net.Addr, error) // the addresses of this machine; nil: net.InterfaceAddrs
}

// Resolver is a DNS resolver that remembers answers.
type Resolver interface {
	dns.Resolver
	// KnownMX gives what LookupMX would, if that is known without asking.
	KnownMX(domain string) (answer dns.MXAnswer, err error, known bool)
}

// Deliverer implements [queue.Deliverer] over SMTP.
type Deliverer struct {
	opts  Options
	terms map[string]*terms // see termsOf
	log   *slog.Logger
	known *known.Addresses
	own   own
}

// New makes a Deliverer.
func New(o Options) *Deliverer {
	d := &Deliverer{opts: o, terms: termsOf(&o), log: o.Log, known: o.Known}
	d.own = own{listeners: o.Listeners, interfaces: o.Interfaces, now: o.Now}
	if d.own.interfaces == nil {
		d.own.interfaces = net.InterfaceAddrs
	}
	if d.known == nil {
		d.known = known.New(o.Now)
	}
	if d.opts.Connect == nil {
		d.opts.Connect = dialTCP
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	return d
}

// Open implements [queue.Deliverer].
func (d *Deliverer) Open() queue.Lane { return &lane{d: d} }

// maxAge bounds how long a connection is kept since it was made, as Postfix's smtp_connection_reuse_time_limit.
const maxAge = 5 * time.Minute

// lane implements [queue.Lane]: it keeps the connection on which the last message went well.
type lane struct {
	d    *Deliverer
	kept *session // nil: none
}

// Deliver implements [queue.Lane].
func (l *lane) Deliver(ctx context.Context, job queue.Job, next func() (queue.Job, bool)) queue.Report {
	a := l.d.newAttempt(job, next)
	if s := l.take(ctx, a); s != nil {
		a.reuse(ctx, s)
	}
	a.run(ctx)
	l.kept = a.open
	return a.report(ctx)
}

// take gives the kept connection if it is good for the attempt, and closes one that is not.
func (l *lane) take(ctx context.Context, a *attempt) *session {
	s := l.kept
	l.kept = nil
	if s == nil || s.fits(a) {
		return s
	}
	s.conn.Quit(ctx)
	return nil
}

// Close implements [queue.Lane].
func (l *lane) Close() {
	if l.kept != nil {
		l.kept.conn.Quit(context.Background())
		l.kept = nil
	}
}
