//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
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
deliver and a probe, which their ClientHellos tell apart; if one sees two probes, or more in all, or gets any mail, the exit code
is 1. Other servers do not probe: there is no --peer.

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
	oldSeen
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
		if rep.Probes == 0 {
			rep.fail(errors.New("no host was probed"))
		}
		rep.fail(ratioAtMost("the ratio of the 99th percentiles", rep.Ratios[0].P99.Median, c.MaxRatio))
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
	for _, host := range old {
		seen := host.seen()
		rep.fail(host.problem(seen, s.Bad))
		rep.add(seen)
	}
	return nil
}

// page gives it for people.
func (rep *probesReport) page(c *probesCommand, b *bed) *report.Page {
	return &report.Page{
		Head: fmt.Sprintf("healthy mail over TLS, from one 250 to the other: %v messages of %d bytes a second, %d rounds; beside it "+
			"mail for %d hosts with TLS 1.0", c.Rate, c.Size, c.Rounds, c.Hosts),
		Place: b.place(), Tables: []*report.Table{rep.table("with probes")},
		Notes: fmt.Sprintf("Old hosts saw %d attempts, at most %d at the same time each, and %d connections for probes, at most %d likewise.\n"+
			"What is left in the queue is mail for them.\n", rep.Attempts, rep.AttemptsPeak, rep.Probes, rep.ProbesPeak) + rep.Totals.String(),
	}
}
