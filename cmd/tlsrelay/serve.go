package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"tlsrelay/relay"
)

type serveCommand struct {
	configFlag
}

func (serveCommand) Help() string {
	return `Accepts mail on the configured listeners, queues it on disk and delivers it. The log goes to standard error.
SIGTERM or an interrupt stops it: no new mail, what is under way may finish within 30 seconds, the
rest stays queued.
SIGHUP has it read the configuration again: routes, TLS policy, notices, retries, DKIM keys and rules of tenants change
at once, and the log names what needs a restart. A file with a mistake changes nothing.

Example: tlsrelay serve --config /etc/tlsrelay/tlsrelay.toml`
}

func (c *serveCommand) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	log := relay.NewLog(cfg)
	r, err := relay.New(cfg, log)
	if err != nil {
		return err
	}
	go c.reload(ctx, hangup, r, log)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	return r.Run(ctx)
}

// reload reads the configuration again at each signal, until ctx ends.
func (c *serveCommand) reload(ctx context.Context, hangup <-chan os.Signal, r *relay.Relay, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		cfg, err := c.load()
		if err == nil {
			err = r.Reload(cfg)
		}
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				log.Error("the configuration was not read again", "error", strings.TrimSpace(line))
			}
		}
	}
}
