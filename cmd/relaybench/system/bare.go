//go:build linux

package system

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"tlsrelay/cmd/relaybench/bare"
	"tlsrelay/cmd/relaybench/proc"
)

// Bare is the bare go-smtp server: relaybench itself, called with a subcommand that is not shown.
type Bare struct {
	opts    BareOptions
	child   *child
	address string
}

// BareOptions says how a Bare runs.
type BareOptions struct {
	Program string // relaybench
	Dir     string // for its file; made if it is missing
	Launch  Launch
}

// BareReady precedes the address in what the server prints when it takes mail.
const BareReady = "ready at "

// NewBare prepares a server.
func NewBare(o BareOptions) (*Bare, error) {
	if err := os.MkdirAll(filepath.Join(o.Dir, "queue"), 0o700); err != nil {
		return nil, err
	}
	return &Bare{opts: o}, nil
}

// Name implements [System].
func (b *Bare) Name() string { return "bare" }

// Dir implements [System].
func (b *Bare) Dir() string { return filepath.Join(b.opts.Dir, "queue") }

func (b *Bare) file() string { return filepath.Join(b.Dir(), "messages") }

// Address implements [System].
func (b *Bare) Address() string { return b.address }

// Session implements [System].
func (b *Bare) Session() proc.Session { return b.child.session() }

// Start implements [System].
func (b *Bare) Start(ctx context.Context) error {
	log := filepath.Join(b.opts.Dir, "log")
	var err error
	if b.child, err = startChild(log, b.opts.Launch, b.opts.Program, "bare", b.file()); err != nil {
		return err
	}
	return b.child.await(ctx, "the bare server", func() bool {
		text, _ := os.ReadFile(log)
		line, whole := strings.CutSuffix(string(text), "\n")
		var ready bool
		b.address, ready = strings.CutPrefix(line, BareReady)
		return ready && whole
	})
}

// Queue implements [System].
func (b *Bare) Queue(_ context.Context, each func(Queued) error) error {
	return bare.Read(b.file(), func(id, recipient string) error { return each(Queued{ID: id, Recipient: recipient}) })
}

// Stop implements [System].
func (b *Bare) Stop() error {
	if b.child == nil {
		return nil
	}
	return b.child.stop(b.Name())
}

// Kill implements [System].
func (b *Bare) Kill() error {
	if b.child == nil {
		return nil
	}
	return b.child.kill()
}

// Close implements [System].
func (b *Bare) Close() error { return errors.Join(b.Stop(), empty(b.opts.Dir)) }
