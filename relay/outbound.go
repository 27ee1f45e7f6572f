package relay

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/queue/spool"
	"tlsrelay/relay/admin/metrics"
	"tlsrelay/relay/dkim"
	"tlsrelay/relay/dns"
	"tlsrelay/tlspolicy/ledger"
)

// outbound is the half of a relay that has mail in its store and sends it: all but listeners and sockets.
type outbound struct {
	live      current
	store     *spool.Store
	signer    *dkim.Signer
	scheduler *queue.Scheduler
	diagnosis diagnosis
	ledger    *ledger.Ledger
	metrics   *metrics.Metrics
	books     string // file of the ledger
	log       *slog.Logger

	mu      sync.Mutex
	retired *dns.Cache // of the configuration before this one; nil: the same
}

// newOutbound opens the store and builds what works on it. world, which may be nil, stands for a configuration before this one:
// its way to the DNS and to other servers.
func newOutbound(cfg *configs.Config, world *live, log *slog.Logger) (*outbound, error) {
	keys, err := loadKeys(cfg)
	if err != nil {
		return nil, err
	}
	o := &outbound{signer: dkim.NewSigner(log), books: ledgerFile(cfg), metrics: metrics.New(), log: log}
	o.signer.Use(keys)
	if o.store, err = spool.Open(spoolDir(cfg), spool.Options{Log: log, FreeSpace: int64(cfg.Queue.FreeSpace)}); err != nil {
		return nil, err
	}
	o.diagnosis = newDiagnosis(&o.live, o.store, func(ctx context.Context, jobs []queue.JobKey) (queue.Retried, error) {
		return o.scheduler.RetryJobs(ctx, jobs)
	}, log)
	o.ledger = newLedger(cfg, log)
	o.live.watch, o.live.ledger, o.live.metrics = o.diagnosis.watch, o.ledger, o.metrics
	parts, err := newLive(cfg, selfOf(cfg), world, &o.diagnosis, log)
	if err != nil {
		o.store.Close()
		return nil, err
	}
	o.live.Store(parts)
	o.scheduler = queue.NewScheduler(queue.SchedulerOptions{
		Store:     o.store,
		Deliverer: &o.live,
		Notifier:  signedNotices{&o.live, o.signer, log},
		Schedule:  o.live.schedule,
		Workers:   cfg.Delivery.Connections,
		Idle:      cfg.Delivery.IdleConnections,
		KeepIdle:  time.Duration(cfg.Delivery.KeepIdle),
		Grace:     stopGrace,
		Owner:     cfg.Hostname,
		Now:       time.Now,
		Log:       log,
		Tally:     o.metrics,
	})
	return o, nil
}

// run sends mail until ctx ends, or the store cannot be read.
func (o *outbound) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer func() {
		stop()
		parts.Wait()
		if err := o.ledger.Save(o.books); err != nil {
			o.log.Error(err.Error())
		}
	}()
	parts.Go(func() { o.diagnosis.asker.Run(ctx) })
	parts.Go(func() { o.ledger.Keep(ctx, o.books, o.log) })
	parts.Go(func() {
		select {
		case <-o.scheduler.Loaded():
			o.diagnosis.watch.Run(ctx)
		case <-ctx.Done():
		}
	})
	return o.scheduler.Run(ctx)
}

// reload has attempts go by a new configuration from now on.
func (o *outbound) reload(cfg *configs.Config, me self) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	next, err := newLive(cfg, me, o.live.Load(), &o.diagnosis, o.log)
	if err != nil {
		return err
	}
	o.retire(o.live.Swap(next))
	o.scheduler.Reconsider()
	return nil
}

// retire keeps the resolver that old had until the next reload, for attempts under way, if the new parts have another one.
func (o *outbound) retire(old *live) {
	if old.resolver == o.live.Load().resolver {
		return
	}
	if o.retired != nil {
		o.retired.Close()
	}
	o.retired = old.resolver
}

// close ends all questions to the DNS, and closes the store.
func (o *outbound) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.live.Load().resolver.Close()
	if o.retired != nil {
		o.retired.Close()
	}
	return o.store.Close()
}
