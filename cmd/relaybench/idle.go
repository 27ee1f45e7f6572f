//go:build linux

package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/proc"
	"tlsrelay/cmd/relaybench/system"
)

type idleCommand struct {
	Tlsrelay  string `placeholder:"PATH" help:"The tlsrelay to measure. Default: built from this source tree."`
	Dir       string `placeholder:"DIR" help:"Where queues are made, and removed again. Default: the folder for temporary files."`
	AnyMedium bool   `help:"Measure even where a sync costs nothing, as on tmpfs."`
	JSON      bool   `name:"json" help:"Print one JSON object."`

	Clients  int  `default:"5000" help:"Idle clients."`
	TLS      bool `name:"tls" negatable:"" help:"All connections use STARTTLS, with an ECDSA certificate."`
	Messages int  `default:"300" help:"Messages of the honest client at each stage, each by a connection of its own."`
	Size     int  `default:"4096" help:"Bytes of a message."`

	MaxMemory int64         `default:"0" help:"Exit code 1 if the relay with all clients takes more MB than this; 0: any."`
	MaxP99    time.Duration `name:"max-p99" default:"0s" help:"Exit code 1 if the 99th percentile of any stage is longer than this; 0s: any."`
}

func (idleCommand) Help() string {
	return `Connects many clients that say nothing after EHLO, from as many addresses of 127.0.0.0/8, and measures what memory they
cost the relay, and how long a client that comes by and hands in a message waits meanwhile: from its connecting to the 250,
one message after the other. At the end all idle clients must still be served, and all messages be in the queue.

Example: relaybench idle --clients 5000 --tls --max-memory 300 --max-p99 1s`
}

// check finds mistakes that the parser does not see.
func (c *idleCommand) check() error {
	return errors.Join(between("clients", c.Clients, 1, 60_000), between("messages", c.Messages, 1, 1_000_000), between("size", c.Size, 1, mostSize))
}

func (c *idleCommand) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	flags := bedFlags{Tlsrelay: c.Tlsrelay, Dir: c.Dir, AnyMedium: c.AnyMedium, TimerSlack: 200 * time.Microsecond}
	return flags.on(ctx, std, c.Clients, c.Size, func(b *bed) error {
		r := &idleRun{idleCommand: c, bed: b, std: std}
		if err := r.measure(ctx); err != nil {
			return err
		}
		return errors.Join(r.print(), r.problem())
	})
}

// stage is what was seen of the relay for a while.
type stage struct {
	Name    string      `json:"stage"`
	Clients int         `json:"clients"` // idle ones, at its end
	Seconds float64     `json:"seconds"`
	waits               // from connecting to the 250
	Memory  proc.Memory `json:"memory_bytes"` // at its start; while clients connect, at its end
}

// idleRun is the command at work.
type idleRun struct {
	*idleCommand
	bed    *bed
	std    streams
	sys    *system.Relay
	caller load.Caller
	sent   int // messages, all of them acknowledged
	stages []*stage
}

// calm is how long the relay may rest before its memory is measured.
const calm = 2 * time.Second

func (r *idleRun) measure(ctx context.Context) (err error) {
	if err := r.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.sys.Close()) }()
	if err := r.watch(ctx, "alone", 0, r.enough); err != nil {
		return err
	}
	idle, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer idle.Close()
	if err := r.watch(ctx, "idle", r.Clients, r.enough); err != nil {
		return err
	}
	if _, err := idle.Check(); err != nil {
		return err
	}
	idle.Close()
	if err := r.watch(ctx, "gone", 0, r.enough); err != nil {
		return err
	}
	var b books
	if err := b.compare(ctx, r.sys); err != nil {
		return err
	}
	if b.Queued != r.sent {
		return fmt.Errorf("%d messages were acknowledged, but %d are in the queue", r.sent, b.Queued)
	}
	return nil
}

// start has the relay run, with a certificate that clients can check if there is to be TLS.
func (r *idleRun) start(ctx context.Context) error {
	o := system.RelayOptions{
		Program: r.bed.relay, Dir: filepath.Join(r.bed.dir, "relay"), Connections: r.Clients + 10, MessageSize: 50_000_000,
		Launch: system.Launch{Slack: r.bed.slack},
	}
	r.caller = load.Caller{Name: "relay.bench.test"}
	if r.TLS {
		certificate, text, err := newCertificate(filepath.Join(r.bed.dir, "certificate.pem"), r.caller.Name)
		if err != nil {
			return err
		}
		o.Certificate = certificate
		r.caller.Roots = x509.NewCertPool()
		r.caller.Roots.AppendCertsFromPEM(text)
	}
	var err error
	if r.sys, err = system.NewRelay(o); err != nil {
		return err
	}
	if err := r.sys.Start(ctx); err != nil {
		return errors.Join(err, r.sys.Close())
	}
	r.caller.Address = r.sys.Address()
	return nil
}

// connect opens the idle clients while the honest one goes on.
func (r *idleRun) connect(ctx context.Context) (idle *load.Idle, err error) {
	done := make(chan struct{})
	var failed error
	go func() {
		defer close(done)
		idle, failed = load.OpenIdle(ctx, &r.caller, r.Clients)
	}()
	err = r.watch(ctx, "connecting", r.Clients, func(int) bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	<-done
	if err = errors.Join(failed, err); err != nil && idle != nil {
		idle.Close()
	}
	return idle, err
}

// enough says when a stage has its messages.
func (r *idleRun) enough(messages int) bool { return messages >= r.Messages }

// watch measures memory, and then has the honest client come by until that is over.
func (r *idleRun) watch(ctx context.Context, name string, clients int, over func(messages int) bool) (err error) {
	s := &stage{Name: name, Clients: clients}
	if name != "connecting" {
		time.Sleep(calm)
		if s.Memory, err = r.sys.Session().Memory(); err != nil {
			return err
		}
	}
	var took []time.Duration
	begin := time.Now()
	for !over(len(took)) || len(took) == 0 {
		d, err := r.honest(ctx)
		if err != nil {
			return fmt.Errorf("honest client, %s: %w", name, err)
		}
		took = append(took, d)
	}
	s.Seconds = time.Since(begin).Seconds()
	if name == "connecting" {
		if s.Memory, err = r.sys.Session().Memory(); err != nil {
			return err
		}
	}
	s.waits = waitsOf(took)
	r.stages = append(r.stages, s)
	fmt.Fprintf(r.std.err, "%-10s %5d clients: p99 %.1f ms of %d messages\n", name, clients, s.P99, s.Messages)
	return nil
}

// honest hands in one message.
func (r *idleRun) honest(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	call, err := r.caller.Call(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer call.Close()
	if _, err := call.Deliver(r.sent, r.Size); err != nil {
		return 0, err
	}
	r.sent++
	return time.Since(begin), nil
}
