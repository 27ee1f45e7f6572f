//go:build linux

package system

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tlsrelay/cmd/relaybench/badhost"
	"tlsrelay/cmd/relaybench/proc"
)

// Postfix is a Postfix of its own: configuration, queue and port are apart from those of the machine's.
type Postfix struct {
	opts     PostfixOptions
	ports    [2]*badhost.Port // by Mode
	mode     Mode
	refusing *badhost.Port
	child    *child
	lives    int
	daemons  string
	logs     logCounter
}

// PostfixOptions says how a Postfix runs.
type PostfixOptions struct {
	Dir         string // for queue, configuration and log; made if it is missing. Postfix's user must get through to it
	Connections int    // of clients
	MessageSize int    // the largest
	Launch      Launch
	Delivery    *Delivery // nil: mail is held
}

// NewPostfix prepares a Postfix. It needs root, as Postfix does, and an error says what is missing.
func NewPostfix(o PostfixOptions) (*Postfix, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("postfix starts as root only; run relaybench as root, or without --peer postfix")
	}
	postconf, err := find("postconf")
	if err != nil {
		return nil, fmt.Errorf("postfix is not installed (%w); install it, or run without --peer postfix", err)
	}
	if err := reachable(filepath.Dir(o.Dir)); err != nil {
		return nil, err
	}
	p := &Postfix{opts: o}
	p.logs = logCounter{files: []string{p.maillog()}, text: []byte(" status=deferred ")}
	if err := p.prepare(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	out, err := output(context.Background(), postconf, "-c", p.etc(), "-h", "daemon_directory")
	if err != nil {
		return nil, err
	}
	p.daemons = strings.TrimSpace(string(out))
	postfix, err := find("postfix")
	if err != nil {
		return nil, err
	}
	_, err = output(context.Background(), postfix, "-c", p.etc(), "check") // makes the folders of the queue
	return p, err
}

func (p *Postfix) etc() string { return filepath.Join(p.opts.Dir, "etc") }

func (p *Postfix) maillog() string { return filepath.Join(p.opts.Dir, "maillog") }

// Name implements [System].
func (p *Postfix) Name() string { return "postfix" }

// Dir implements [System].
func (p *Postfix) Dir() string { return filepath.Join(p.opts.Dir, "queue") }

// Address implements [System].
func (p *Postfix) Address() string { return p.ports[p.mode].Address() }

// Session implements [System].
func (p *Postfix) Session() proc.Session { return p.child.session() }

// Start implements [System].
func (p *Postfix) Start(ctx context.Context) error {
	p.lives++
	log := filepath.Join(p.opts.Dir, fmt.Sprintf("log.%d", p.lives))
	var err error
	p.child, err = startChild(log, p.opts.Launch, filepath.Join(p.daemons, "master"), "-c", p.etc(), "-d")
	if err != nil {
		return err
	}
	err = p.child.await(ctx, "postfix", func() bool { return greets(p.Address()) })
	if err != nil {
		if text, _ := os.ReadFile(p.maillog()); len(text) > 0 {
			err = fmt.Errorf("%w\n%s", err, text[max(0, len(text)-2000):])
		}
	}
	return err
}

// greets reports whether a mail server answers.
func greets(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && strings.HasPrefix(line, "220")
}

// Stop implements [System].
func (p *Postfix) Stop() error {
	if p.child == nil {
		return nil
	}
	return p.child.stop(p.Name())
}

// Kill implements [System].
func (p *Postfix) Kill() error {
	if p.child == nil {
		return nil
	}
	return p.child.kill()
}

// Close implements [System].
func (p *Postfix) Close() error {
	err := p.Stop()
	for _, reserved := range append(p.ports[:], p.refusing) {
		reserved.Close()
	}
	return errors.Join(err, empty(p.opts.Dir))
}

// Switch implements [Backlogger]: mail is held that comes in at one of two ports.
func (p *Postfix) Switch(_ context.Context, m Mode) error {
	p.mode = m
	return nil
}

// Deferrals implements [Backlogger].
func (p *Postfix) Deferrals() (int, error) { return p.logs.count() }

// Delete implements [Backlogger].
func (p *Postfix) Delete(ctx context.Context) error {
	postsuper, err := find("postsuper")
	if err == nil {
		_, err = output(ctx, postsuper, "-c", p.etc(), "-d", "ALL")
	}
	return err
}

// postfixMessage is a line of `postqueue -j`.
type postfixMessage struct {
	Queue      string `json:"queue_name"`
	ID         string `json:"queue_id"`
	Recipients []struct {
		Address string `json:"address"`
		Reason  string `json:"delay_reason"`
	} `json:"recipients"`
}

// Queue implements [System].
func (p *Postfix) Queue(ctx context.Context, each func(Queued) error) error {
	postqueue, err := find("postqueue")
	if err != nil {
		return err
	}
	return stream(exec.CommandContext(ctx, postqueue, "-c", p.etc(), "-j"), func(d *json.Decoder) error {
		var m postfixMessage
		if err := d.Decode(&m); err != nil {
			return err
		}
		if len(m.Recipients) != 1 {
			return fmt.Errorf("message %s has %d recipients, not one", m.ID, len(m.Recipients))
		}
		to := m.Recipients[0]
		return each(Queued{m.ID, to.Address, m.Queue == "deferred" && to.Reason != ""})
	})
}
