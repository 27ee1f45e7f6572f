//go:build linux

package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"

	"tlsrelay/cmd/relaybench/badhost"
	"tlsrelay/cmd/relaybench/proc"
)

// Relay is tlsrelay as a process of its own.
type Relay struct {
	opts     RelayOptions
	next     string        // "host:port" that all mail is routed to
	hole     *badhost.Hole // open while that is it
	refusing *badhost.Port // reserved from the first use on
	child    *child
	address  string
	lives    int
	logs     logCounter
}

// RelayOptions says how a Relay runs.
type RelayOptions struct {
	Program     string // the binary
	Dir         string // for queue, configuration and log; made if it is missing
	Connections int    // of clients
	MessageSize int    // the largest
	Launch      Launch
	Certificate string // PEM file with certificate and key, for STARTTLS; "": no TLS
	Busy        bool   // deliver with as many connections as by default; otherwise with one
	Sign        *Signing
	Delivery    *Delivery // nil: mail is held
}

// NewRelay prepares a relay.
func NewRelay(o RelayOptions) (*Relay, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	return &Relay{opts: o, logs: logCounter{text: []byte(" result=deferred ")}}, nil
}

// Name implements [System].
func (r *Relay) Name() string { return "tlsrelay" }

// Dir implements [System].
func (r *Relay) Dir() string { return filepath.Join(r.opts.Dir, "data") }

// Address implements [System].
func (r *Relay) Address() string { return r.address }

// Session implements [System].
func (r *Relay) Session() proc.Session { return r.child.session() }

func (r *Relay) config() string { return filepath.Join(r.opts.Dir, "tlsrelay.toml") }

// readyLine is what the relay logs when it takes mail; the listener's address stands in it.
var readyLine = regexp.MustCompile(`(?m)^.*\bmsg=ready listeners=\[([0-9.:]+)\].*$`)

// Start implements [System].
func (r *Relay) Start(ctx context.Context) error {
	if err := r.ready(ctx); err != nil {
		return err
	}
	r.lives++
	log := filepath.Join(r.opts.Dir, fmt.Sprintf("log.%d", r.lives))
	r.logs.files = append(r.logs.files, log)
	var err error
	if r.child, err = startChild(log, r.opts.Launch, r.opts.Program, "serve", "--config", r.config()); err != nil {
		return err
	}
	return r.child.await(ctx, "tlsrelay", func() bool {
		text, err := os.ReadFile(log)
		found := readyLine.FindSubmatch(text)
		if err != nil || found == nil {
			return false
		}
		r.address = string(found[1])
		return true
	})
}

// ready makes what a life needs.
func (r *Relay) ready(ctx context.Context) (err error) {
	switch {
	case r.opts.Delivery != nil:
		err = r.configure()
	case r.next == "" || r.hole != nil: // that of the last life is closed
		err = r.Switch(ctx, Hold)
	}
	if err == nil && r.lives == 0 && r.opts.Sign != nil {
		err = r.newKey(ctx)
	}
	return err
}

// Switch implements [Backlogger].
func (r *Relay) Switch(ctx context.Context, m Mode) error {
	var err error
	switch {
	case m == Hold:
		old := r.hole
		if r.hole, err = badhost.OpenHole("127.0.0.1:0"); err != nil {
			return err
		}
		defer old.Close()
		return r.RouteTo(ctx, r.hole.Address())
	case r.refusing == nil:
		if r.refusing, err = badhost.Reserve(badhost.Loopback); err != nil {
			return err
		}
	}
	old := r.hole
	r.hole = nil
	defer old.Close()
	return r.RouteTo(ctx, r.refusing.Address())
}

// running reports whether the relay was started and has not ended.
func (r *Relay) running() bool { return r.child != nil && !r.child.over() }

// Deferrals implements [Backlogger].
func (r *Relay) Deferrals() (int, error) { return r.logs.count() }

// Delete implements [Backlogger].
func (r *Relay) Delete(ctx context.Context) error { return r.queue(ctx, "delete", "--all") }

// Retry makes all mail due.
func (r *Relay) Retry(ctx context.Context) error { return r.queue(ctx, "retry", "--all") }

func (r *Relay) queue(ctx context.Context, args ...string) error {
	_, err := output(ctx, r.opts.Program, append(append([]string{"queue"}, args...), "--config", r.config())...)
	return err
}

// Stop implements [System]. Attempts under way would be waited for, so they are cut off once the relay begins no new ones.
func (r *Relay) Stop() error {
	if r.child == nil {
		return nil
	}
	r.child.cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended
	log := logCounter{files: []string{r.child.log}, text: []byte("msg=stopping ")}
	r.child.await(context.Background(), r.Name(), func() bool {
		n, err := log.count()
		return n > 0 || err != nil
	})
	r.hole.Close()
	return r.child.wait(r.Name())
}

// Kill implements [System].
func (r *Relay) Kill() error {
	if r.child == nil {
		return nil
	}
	defer r.hole.Close()
	return r.child.kill()
}

// Close implements [System].
func (r *Relay) Close() error {
	err := r.Stop()
	r.refusing.Close()
	return errors.Join(err, empty(r.opts.Dir))
}

// relayMessage is a line of `tlsrelay queue list --json`.
type relayMessage struct {
	ID         string
	Recipients []struct {
		Address  string
		Attempts int
		Cause    string
	}
}

// Queue implements [System].
func (r *Relay) Queue(ctx context.Context, each func(Queued) error) error {
	cmd := exec.CommandContext(ctx, r.opts.Program, "queue", "list", "--json", "--config", r.config())
	return stream(cmd, func(d *json.Decoder) error {
		var m relayMessage
		if err := d.Decode(&m); err != nil {
			return err
		}
		if len(m.Recipients) != 1 {
			return fmt.Errorf("message %s has %d recipients, not one", m.ID, len(m.Recipients))
		}
		to := m.Recipients[0]
		return each(Queued{m.ID, to.Address, to.Attempts > 0 && to.Cause != ""})
	})
}

// stream runs a program that prints JSON objects, and calls next for each, which decodes one.
func stream(cmd *exec.Cmd, next func(*json.Decoder) error) error {
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for d := json.NewDecoder(out); err == nil; {
		err = next(d)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	io.Copy(io.Discard, out)
	return errors.Join(err, cmd.Wait())
}
