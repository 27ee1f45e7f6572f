package relay

import (
	"context"
	"fmt"
	"net"

	"tlsrelay/configs"
	"tlsrelay/relay/admin/metrics"
	"tlsrelay/relay/admin/monitor"
)

// listenMonitor binds the address for health and metrics; nil if they are off.
func listenMonitor(cfg *configs.Config) (net.Listener, error) {
	if cfg.Admin.Address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", cfg.Admin.Address)
	if err != nil {
		return nil, fmt.Errorf("admin.address: %w", err)
	}
	return l, nil
}

// serveMonitor answers the operator's programs until ctx ends. Mail is accepted until running ends.
func (r *Relay) serveMonitor(ctx, running context.Context) error {
	r.log.Info("health and metrics", "address", r.monitor.Addr().String())
	unready := func(ctx context.Context) string { return r.unready(ctx, running) }
	state := r.outbound.state()
	state.Ready = func() bool { return unready(ctx) == "" }
	state.Connections = r.front.Connections
	if r.certificates != nil {
		state.Expires = r.certificates.Expires
	}
	r.metrics.Watch(state)
	return monitor.Serve(ctx, r.monitor, monitor.Handler(unready, r.metrics.Handler()))
}

// state gives the numbers that its parts keep.
func (o *outbound) state() metrics.State {
	return metrics.State{
		Store:          o.store.Stats,
		Free:           o.store.Free,
		Jobs:           o.scheduler.Hints,
		SmallHellos:    func() int64 { return o.live.Load().known.SmallHellos() },
		Probes:         o.diagnosis.prober.Begun,
		WatchedServers: o.diagnosis.watch.Servers,
	}
}

// unready says in a sentence why no mail is accepted, "" if it is. It looks at the disk each time, which the store does only when
// mail comes.
func (r *Relay) unready(ctx, running context.Context) string {
	if running.Err() != nil {
		return "The relay is stopping."
	}
	select {
	case <-r.scheduler.Loaded():
	default:
		return "The queue is still being read; mail will be accepted when that is done."
	}
	limit := int64(r.cfg.Queue.FreeSpace)
	if free, err := r.store.Free(); err == nil && free < limit {
		return fmt.Sprintf("There is not enough space for new mail: the disk has %d bytes left, under the limit of %d.", free, limit)
	}
	if err := r.store.Room(ctx); err != nil {
		return fmt.Sprintf("New mail is refused for the time being: %v.", err)
	}
	return ""
}
