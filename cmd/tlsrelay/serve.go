package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"tlsrelay/relay"
)

type serveCommand struct {
	configFlag
}

func (serveCommand) Help() string {
	return `Accepts mail on the configured listeners, queues it on disk and delivers it. The log goes to standard error.
SIGTERM or an interrupt stops it: no new mail, what is under way finishes within seconds, the rest stays queued.

Example: tlsrelay serve --config /etc/tlsrelay/tlsrelay.toml`
}

func (c *serveCommand) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := relay.New(cfg, relay.NewLog(cfg))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	return r.Run(ctx)
}
