package relay

import (
	"context"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/relay/admin/metrics"
	"tlsrelay/relay/delivery"
	"tlsrelay/relay/delivery/known"
	"tlsrelay/relay/dns"
	"tlsrelay/relay/notice"
	"tlsrelay/relay/watch"
	"tlsrelay/tlspolicy/ledger"
)

// live is what a reload replaces as a whole: how mail is delivered, what notices say, when attempts are made. An attempt
// under way ends with what it began with.
type live struct {
	dns       configs.DNS
	resolver  *dns.Cache
	known     *known.Addresses
	connect   func(context.Context, *net.Dialer, string) (net.Conn, error) // nil: as the system does
	deliverer *delivery.Deliverer
	notifier  notice.Composer
	schedule  queue.Schedule
	probes    bool // servers whose TLS failed are asked without mail
}

// newLive builds the parts for a relay. Its deliverer asks d for probes. What was learnt of addresses stays known, and what the
// DNS said if old, which may be nil, asks the same servers.
func newLive(cfg *configs.Config, me self, old *live, d *diagnosis, log *slog.Logger) (*live, error) {
	notifier, err := newNotifier(cfg, me, log)
	if err != nil {
		return nil, err
	}
	l := &live{dns: cfg.DNS, notifier: notifier, schedule: scheduleOf(cfg), probes: cfg.TLS.Probe}
	if old != nil && reflect.DeepEqual(old.dns, cfg.DNS) {
		l.resolver = old.resolver
	} else if l.resolver, err = newResolver(&cfg.DNS); err != nil {
		return nil, err
	}
	if l.known = known.New(time.Now); old != nil {
		l.known, l.connect = old.known, old.connect
	}
	l.deliverer, err = l.newDeliverer(cfg, me, d.way(l.probes), log)
	return l, err
}

// current gives the scheduler the live parts of the moment, and tells the watch, the ledger and the metrics of attempts.
type current struct {
	atomic.Pointer[live]
	watch   *watch.Watch
	ledger  *ledger.Ledger
	metrics *metrics.Metrics
}

// Site implements [queue.Deliverer].
func (c *current) Site(destination string) (queue.Site, bool) {
	return c.Load().deliverer.Site(destination)
}

// Resolve implements [queue.Deliverer].
func (c *current) Resolve(ctx context.Context, destination string) queue.Site {
	return c.Load().deliverer.Resolve(ctx, destination)
}

// Open implements [queue.Deliverer].
func (c *current) Open() queue.Lane { return &liveLane{c: c} }

// liveLane is a lane of the deliverer of the moment: what was made before a reload does not outlast it.
type liveLane struct {
	c  *current
	of *live
	queue.Lane
}

// Deliver implements [queue.Lane].
func (l *liveLane) Deliver(ctx context.Context, job queue.Job, next func() (queue.Job, bool)) queue.Report {
	if now := l.c.Load(); now != l.of {
		l.Close()
		l.of, l.Lane = now, now.deliverer.Open()
	}
	began := time.Now()
	report := l.Lane.Deliver(ctx, job, next)
	l.c.metrics.Attempt(time.Since(began))
	l.c.watch.Attempted(job, report)
	l.of.note(l.c.ledger, job, report)
	return report
}

// Close implements [queue.Lane].
func (l *liveLane) Close() {
	if l.Lane != nil {
		l.Lane.Close()
	}
}

// Compose implements [queue.Notifier].
func (c *current) Compose(n queue.Notice, id queue.ID, now time.Time, original io.Reader) ([]byte, error) {
	return c.Load().notifier.Compose(n, id, now, original)
}

func (c *current) schedule() queue.Schedule { return c.Load().schedule }

// Reload puts a new configuration in force while the relay runs: routes, TLS policy, DNS, the texts of notices and the
// pauses between attempts, for queued mail from its next attempt on; help pages; the DKIM keys, for new mail; rules of tenants, from the
// next mail transaction on. The log names what has changed but waits for a restart. An error leaves all as it was; DKIM keys
// that cannot be read are only a warning.
func (r *Relay) Reload(cfg *configs.Config) error {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	if err := r.outbound.reload(cfg, selfOf(r.cfg)); err != nil {
		return err
	}
	if r.help != nil {
		r.help.Configure(helpSettings(cfg, r.cfg.Hostname, r.live.Load().notifier.Texts))
	}
	for _, w := range cfg.Warnings(time.Now()) {
		r.log.Warn(w)
	}
	r.reloadKeys(cfg)
	r.tenants.Configure(tenantRules(cfg))
	if fixed := changedForRestart(r.cfg, cfg); len(fixed) > 0 {
		r.log.Warn("the configuration was read again, but some changes need a restart", "changed", strings.Join(fixed, ", "))
	} else {
		r.log.Info("the configuration was read again")
	}
	return nil
}

// changedForRestart names what differs between the configuration of the start and a later one, and cannot change at run time.
func changedForRestart(start, now *configs.Config) []string {
	var names []string
	for _, part := range []struct {
		name string
		a, b any
	}{
		{"hostname", start.Hostname, now.Hostname},
		{"data_dir", start.DataDir, now.DataDir},
		{"listener", start.Listeners, now.Listeners},
		{"certificate", start.Certificate, now.Certificate},
		{"acme", start.ACME, now.ACME},
		{"accounts", start.Accounts, now.Accounts},
		{"limits", start.Limits, now.Limits},
		{"delivery.connections", start.Delivery.Connections, now.Delivery.Connections},
		{"delivery.idle_connections", start.Delivery.IdleConnections, now.Delivery.IdleConnections},
		{"delivery.keep_idle", start.Delivery.KeepIdle, now.Delivery.KeepIdle},
		{"queue.lifetime of new mail", start.Queue.Lifetime, now.Queue.Lifetime},
		{"queue.free_space", start.Queue.FreeSpace, now.Queue.FreeSpace},
		{"admin", start.Admin, now.Admin},
		{"help.address", start.Help.Address, now.Help.Address},
		{"log", start.Log, now.Log},
	} {
		if !reflect.DeepEqual(part.a, part.b) {
			names = append(names, part.name)
		}
	}
	return names
}
