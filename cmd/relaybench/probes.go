//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/report"
	"tlsrelay/cmd/relaybench/sink"
	"tlsrelay/cmd/relaybench/system"
)

type probesCommand struct {
	bedFlags
	Rate     float64 `default:"5" help:"Messages a second for the healthy host; each old host gets as many."`
	Seconds  int     `default:"20" help:"How long messages are handed in, in one run."`
	Hosts    int     `default:"20" help:"Hosts that know nothing newer than TLS 1.0."`
	Size     int     `default:"4096" help:"Bytes of a message."`
	Rounds   int     `default:"3" help:"How often the runs take their turns."`
	MaxRatio float64 `default:"0" help:"Exit code 1 if tlsrelay's 99th percentile with probes is more times that without; 0: any."`
}

func (probesCommand) Help() string {
	return `Does mail wait while other hosts are probed? A few messages a second go to a healthy host over TLS, and as many to each of some
hosts that know nothing newer than TLS 1.0: in turn with probes of those, and without. The time is that of the healthy mail, from the
250 that acknowledges it until the sink has answered 250. An old host may see two connections at the same time, an attempt to
deliver and a probe; if one sees more, or gets any mail, the exit code is 1. Other servers do not probe: there is no --peer.

Example: relaybench probes --hosts 20 --rounds 3`
}

func (c *probesCommand) check() error {
	var peer error
	if c.Peer != "none" {
		peer = usageError{errors.New("--peer: other servers do not probe; leave it out")}
	}
	return errors.Join(peer, rateIn("rate", c.Rate), between("seconds", c.Seconds, 1, 3600), between("hosts", c.Hosts, 1, 1000),
		between("size", c.Size, 1, mostSize), between("rounds", c.Rounds, 1, mostRounds))
}

// probesReport is what --json prints.
type probesReport struct {
	Machine report.Machine `json:"machine"`
	Rate    float64        `json:"messages_per_second"`
	Hosts   int            `json:"old_hosts"`
	Size    int            `json:"size"`

	Connections int64 `json:"connections_to_old_hosts"`
	Peak        int   `json:"most_at_once_to_one"`
	contrast
}

func (c *probesCommand) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.on(ctx, std, 1, c.Size, func(b *bed) error {
		rep := &probesReport{Machine: report.ThisMachine(), Rate: c.Rate, Hosts: c.Hosts, Size: c.Size}
		err := rep.measure(ctx, c.Rounds, []string{"tlsrelay"}, "probes", std.err, func(ctx context.Context, s *contrastSample) error {
			return c.once(ctx, b, rep, s, newProgress(std.err, s.System))
		})
		if err != nil {
			return err
		}
		rep.fail(atMost("the ratio of the 99th percentiles", rep.Ratios[0].P99.Median, c.MaxRatio))
		return errors.Join(publish(std, c.JSON, rep, rep.page(c, b)), rep.err)
	})
}

// once runs one system. The first domain is healthy, all others have old hosts.
func (c *probesCommand) once(ctx context.Context, b *bed, rep *probesReport, s *contrastSample, told *progress) error {
	to, err := newNetwork(sink.Options{TLS: true}, 1)
	if err != nil {
		return err
	}
	defer to.close()
	if err := to.sink.Also(to.newDomain()); err != nil {
		return err
	}
	old, err := to.addOld(c.Hosts)
	if err != nil {
		return err
	}
	all := len(to.domains)
	way, l, err := b.carry(ctx, plan{
		system: s.System, to: to, load: load.Options{Clients: 1, Size: c.Size, Domains: all}, warm: 3 * all,
		count: all * max(1, int(c.Rate*float64(c.Seconds))), rate: c.Rate * float64(all),
		matters: func(number int) bool { return number%all == 0 },
		tune:    func(d *system.Delivery) { d.PerHost, d.Retry, d.NoProbe = 1, 2*time.Second, !s.Bad },
	}, told)
	if err != nil {
		return err
	}
	s.waits, s.Tally = way.waits(l), way.Tally
	for _, one := range old {
		rep.look(one, s.Bad)
	}
	return nil
}

// look adds what an old host has seen.
func (rep *probesReport) look(old *sink.Sink, probed bool) {
	most := 1 // an attempt
	if probed {
		most = 2
	}
	rep.Connections += old.Opened()
	rep.Peak = max(rep.Peak, old.Peak())
	if messages, _, refused := old.Counts(); messages+refused > 0 {
		rep.fail(errors.New("there was mail to a host with old TLS"))
	}
	if old.Peak() > most {
		rep.fail(fmt.Errorf("a host with old TLS had %d connections at the same time, with probes at most 2, without 1", old.Peak()))
	}
}

// addOld adds domains whose hosts offer no TLS newer than 1.0.
func (n *network) addOld(domains int) (hosts []*sink.Sink, err error) {
	for range domains {
		at := netip.AddrPortFrom(n.newDomain(), n.sink.AddrPort().Port())
		s, err := sink.Listen(at.String(), sink.Options{
			TLS: true, OldTLS: true, OnlyTLS: true, Tarpit: time.Millisecond, Overlap: 50 * time.Millisecond, // so that visits last
		})
		if err != nil {
			return nil, err
		}
		n.closers = append(n.closers, s.Close)
		hosts = append(hosts, s)
	}
	return hosts, nil
}

// page gives it for people.
func (rep *probesReport) page(c *probesCommand, b *bed) *report.Page {
	return &report.Page{
		Head: fmt.Sprintf("healthy mail over TLS, from one 250 to the other: %v messages of %d bytes a second, %d rounds; beside it "+
			"mail for %d hosts with TLS 1.0", c.Rate, c.Size, c.Rounds, c.Hosts),
		Place: b.place(), Tables: []*report.Table{rep.table("with probes")},
		Notes: fmt.Sprintf("Old hosts saw %d connections, at most %d at the same time each, and no mail.\n"+
			"What is left in the queue is mail for them.\n", rep.Connections, rep.Peak) + rep.Totals.String(),
	}
}
