package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"tlsrelay/configs"
	"tlsrelay/relay/admin"
	"tlsrelay/relay/submission"
	"tlsrelay/relay/submission/dovecot"
	"tlsrelay/relay/submission/tenant"
)

// Relay is a relay that is ready to run: its ports are bound, its spool is open.
type Relay struct {
	*outbound
	cfg     *configs.Config // of the start
	log     *slog.Logger
	tenants *tenant.Tenants
	front   *submission.Server
	control net.Listener
	help    *helpPages   // nil: they are off
	monitor net.Listener // for health and metrics; nil: they are off

	certificates certificates    // of the listeners; nil if none has TLS
	dovecot      *dovecot.Client // nil: there are only accounts of the relay's own

	reloading sync.Mutex
}

// stopGrace is how long attempts and messages in transfer may go on after the order to stop.
const stopGrace = submission.StopGrace

// New builds a relay. Whatever keeps it from starting (a busy port, a folder of somebody else, a missing certificate) is
// an error here, and nothing stays open.
func New(cfg *configs.Config, log *slog.Logger) (_ *Relay, err error) {
	r := &Relay{cfg: cfg, log: log}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	for _, w := range cfg.Warnings(time.Now()) {
		log.Warn(w)
	}
	if err = secureDataDir(cfg); err != nil {
		return nil, err
	}
	if r.outbound, err = newOutbound(cfg, nil, log); err != nil {
		return nil, err
	}
	certificate, err := r.listenerTLS(cfg, log)
	if err != nil {
		return nil, err
	}
	r.tenants = newTenants(cfg, log)
	if cfg.Accounts.Dovecot != "" {
		r.dovecot = dovecot.New(cfg.Accounts.Dovecot, log)
	}
	r.front, err = newSubmission(cfg, r.scheduler, certificate, r.tenants, r.signer, r.dovecot, r.metrics, log)
	if err != nil {
		return nil, err
	}
	if r.help, err = newHelp(cfg, r.live.Load().notifier.Texts, r.ledger, log); err != nil {
		return nil, err
	}
	if r.monitor, err = listenMonitor(cfg); err != nil {
		return nil, err
	}
	r.control, err = admin.Listen(cfg.DataDir)
	return r, err
}

// Addrs gives the addresses of the listeners, in the order of the configuration.
func (r *Relay) Addrs() []net.Addr { return r.front.Addresses() }

// Run works until ctx ends, then stops in order: no new mail, messages in transfer and attempts under way finish within a
// bound, and everything that is left stays in the spool. A relay runs once.
func (r *Relay) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	deliveries, stopDeliveries := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDeliveries()

	monitored, stopMonitor := context.WithCancel(context.WithoutCancel(ctx)) // to the end: it says that the relay is stopping
	defer stopMonitor()

	var inbound, outbound, watching sync.WaitGroup
	start := func(wg *sync.WaitGroup, what string, run func() error) {
		wg.Go(func() {
			if err := run(); err != nil {
				fail(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	if r.monitor != nil {
		start(&watching, "health and metrics", func() error { return r.serveMonitor(monitored, ctx) })
	}
	start(&outbound, "scheduler", func() error { return r.outbound.run(deliveries) })
	start(&inbound, "control socket", func() error {
		direct := &admin.Direct{Store: r.store, RetryNow: r.scheduler.Retry, Schedule: r.live.schedule, Log: r.log}
		return admin.Serve(ctx, r.control, direct, r.tenants.Usages)
	})
	inbound.Go(func() { r.tenants.Keep(ctx, tenantsFile(r.cfg), r.log) })
	if r.help != nil {
		start(&inbound, "help pages", func() error { return r.help.run(ctx, r.cfg.Help.URL, r.log) })
	}
	if r.certificates != nil {
		start(&inbound, "certificates", func() error { return r.certificates.Run(ctx) })
	}
	select {
	case <-r.scheduler.Loaded():
		start(&inbound, "listener", func() error { return r.front.Serve(ctx) })
		stats := r.store.Stats()
		r.log.Info("ready", "listeners", addresses(r.Addrs()), "queued", stats.Messages, "damaged", stats.Damaged)
	case <-ctx.Done():
	}

	<-ctx.Done()
	r.log.Info("stopping", "grace", stopGrace)
	stopDeliveries() // mail that still comes in is stored, and tried after the next start
	inbound.Wait()
	outbound.Wait()
	stopMonitor()
	watching.Wait()
	if err := r.tenants.Save(tenantsFile(r.cfg)); err != nil {
		r.log.Error(err.Error())
	}
	err := r.close()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	r.log.Info("stopped")
	return err
}

// close gives back what New opened, as far as it came.
func (r *Relay) close() error {
	var errs []error
	if r.front != nil {
		errs = append(errs, r.front.Close())
	}
	if r.dovecot != nil {
		errs = append(errs, r.dovecot.Close())
	}
	if r.control != nil {
		r.control.Close()
	}
	if r.help != nil {
		r.help.listener.Close()
	}
	if r.monitor != nil {
		r.monitor.Close()
	}
	if c, ok := r.certificates.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	if r.outbound != nil {
		errs = append(errs, r.outbound.close())
	}
	return errors.Join(errs...)
}

func addresses(addrs []net.Addr) []string {
	var s []string
	for _, a := range addrs {
		s = append(s, a.String())
	}
	return s
}
