package relay

import (
	"context"
	"io"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
)

// live is what a reload replaces as a whole: how mail is delivered, what notices say, when attempts are made. An attempt
// under way ends with what it began with.
type live struct {
	deliverer *delivery.Deliverer
	notifier  queue.Notifier
	schedule  queue.Schedule
}

// newLive builds the parts for a relay that is called hostname for all its life.
func newLive(cfg *configs.Config, hostname string) (*live, error) {
	deliverer, err := newDeliverer(cfg, hostname)
	if err != nil {
		return nil, err
	}
	return &live{deliverer, newNotifier(cfg, hostname), scheduleOf(cfg)}, nil
}

// current gives the scheduler the live parts of the moment.
type current struct{ atomic.Pointer[live] }

// Deliver implements [queue.Deliverer].
func (c *current) Deliver(ctx context.Context, job queue.Job) []queue.Outcome {
	return c.Load().deliverer.Deliver(ctx, job)
}

// Compose implements [queue.Notifier].
func (c *current) Compose(n queue.Notice, id queue.ID, now time.Time, original io.Reader) ([]byte, error) {
	return c.Load().notifier.Compose(n, id, now, original)
}

func (c *current) site(destination string) string { return c.Load().deliverer.Site(destination) }

func (c *current) schedule() queue.Schedule { return c.Load().schedule }

// Reload puts a new configuration in force while the relay runs: routes, TLS policy, DNS, the texts of notices and the
// pauses between attempts, for queued mail from its next attempt on; the DKIM keys, for new mail; rules of tenants, from the
// next mail transaction on. The log names what has changed but waits for a restart. An error leaves all as it was; DKIM keys
// that cannot be read are only a warning.
func (r *Relay) Reload(cfg *configs.Config) error {
	next, err := newLive(cfg, r.cfg.Hostname)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings(time.Now()) {
		r.log.Warn(w)
	}
	r.live.Store(next)
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
		{"limits", start.Limits, now.Limits},
		{"delivery.connections", start.Delivery.Connections, now.Delivery.Connections},
		{"delivery.connections_per_destination", start.Delivery.ConnectionsPerDestination, now.Delivery.ConnectionsPerDestination},
		{"queue.lifetime of new mail", start.Queue.Lifetime, now.Queue.Lifetime},
		{"queue.free_space", start.Queue.FreeSpace, now.Queue.FreeSpace},
		{"log", start.Log, now.Log},
	} {
		if !reflect.DeepEqual(part.a, part.b) {
			names = append(names, part.name)
		}
	}
	return names
}
