package relay

import (
	"context"
	"log/slog"
	"net"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
	"tlsrelay/relay/watch"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// diagnosis finds out what is wrong with the TLS of other servers, and when it is no more. It outlives a reload: what it knows
// stays true, and it goes by the routes and the policy of the moment.
type diagnosis struct {
	prober *probe.Prober
	asker  *watch.Asker
	watch  *watch.Watch
}

// newDiagnosis makes one over the live parts, which may come later.
func newDiagnosis(live *current, store queue.Store, retry func(context.Context, []queue.JobKey) (queue.Retried, error),
	log *slog.Logger) diagnosis {
	prober := probe.New(probe.Options{Open: live.reach, Now: time.Now})
	return diagnosis{
		prober: prober,
		asker:  watch.NewAsker(prober),
		watch:  watch.New(watch.Options{Store: store, Retry: retry, Trial: live.trial, Try: prober.Try, Now: time.Now, Log: log}),
	}
}

// way gives a deliverer its way to probes, none if they are not wanted.
func (d *diagnosis) way(wanted bool) delivery.Prober {
	if !wanted {
		return nil
	}
	return d.asker
}

// reach leads a probe to a server as an attempt of the moment would go there.
func (c *current) reach(ctx context.Context, t probe.Target) (net.Conn, error) {
	return c.Load().deliverer.Reach(ctx, t)
}

// trial says how to try a server, if that is wanted.
func (c *current) trial(destination, host, remote string) (probe.Target, tlspolicy.Decision, bool) {
	l := c.Load()
	if !l.probes {
		return probe.Target{}, tlspolicy.Decision{}, false
	}
	return l.deliverer.Trial(destination, host, remote)
}
