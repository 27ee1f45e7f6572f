//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/proc"
	"tlsrelay/cmd/relaybench/report"
	"tlsrelay/cmd/relaybench/system"
)

// bedFlags is what the measuring commands share.
type bedFlags struct {
	Peer      string `enum:"none,postfix" default:"none" help:"Also measure this server: postfix (needs root and the package)."`
	Tlsrelay  string `placeholder:"PATH" help:"The tlsrelay to measure. Default: built from this source tree."`
	Dir       string `placeholder:"DIR" help:"Where queues are made, and removed again. Default: the folder for temporary files."`
	AnyMedium bool   `help:"Measure even where a sync costs nothing, as on tmpfs."`
	JSON      bool   `name:"json" help:"Print one JSON object."`

	TimerSlack time.Duration `default:"200us" help:"Timer slack that all systems start with, as a unit for systemd can set it; 0s: as it is."`
}

// bed is where systems are set up: a folder of its own, and the programs.
type bed struct {
	dir         string
	fs          proc.FileSystem
	relay       string // program
	self        string // program
	systems     int    // made so far
	connections int    // that servers must bear
	size        int    // of messages
	slack       time.Duration
	busy        bool // tlsrelay delivers with as many connections as by default
}

// on prepares a bed for some work, says where it is, and removes it when the work is done.
func (f *bedFlags) on(ctx context.Context, std streams, connections, size int, work func(*bed) error) (err error) {
	b, err := f.prepare(ctx, connections, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	fmt.Fprintf(std.err, "on %s\n", b.place())
	return work(b)
}

// prepare makes the folder and the program. close removes what it made.
func (f *bedFlags) prepare(ctx context.Context, connections, size int) (_ *bed, err error) {
	b := &bed{connections: connections, size: size, slack: f.TimerSlack}
	if b.dir, err = os.MkdirTemp(f.Dir, "relaybench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err = os.Chmod(b.dir, 0o755); err != nil { // Postfix's own user must get through
		return nil, err
	}
	if b.fs, err = proc.FileSystemOf(b.dir); err != nil {
		return nil, err
	}
	if b.fs.InMemory() && !f.AnyMedium {
		return nil, usageError{fmt.Errorf("%s is on %s, where a sync costs nothing: give --dir on a disk, or --any-medium", b.dir, b.fs.Type)}
	}
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	b.relay = f.Tlsrelay
	if b.relay == "" {
		b.relay = filepath.Join(b.dir, "tlsrelay")
		return b, build(ctx, b.relay)
	}
	b.relay, err = exec.LookPath(b.relay)
	if err == nil {
		b.relay, err = filepath.Abs(b.relay)
	}
	return b, err
}

// build makes the program from the source tree around the working folder.
func build(ctx context.Context, program string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "tlsrelay/cmd/tlsrelay").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w; run relaybench in the source tree, or give --tlsrelay PATH\n%s", err, out)
	}
	return nil
}

func (b *bed) close() error { return os.RemoveAll(b.dir) }

// signing stands between tlsrelay and the type of the key in the name of a tlsrelay that signs.
const signing = "+"

// names gives the systems to measure, in turn.
func (f *bedFlags) names(bare bool) []string {
	names := []string{"tlsrelay"}
	if f.Peer != "none" {
		names = append(names, f.Peer)
	}
	if bare {
		names = append(names, "bare")
	}
	return names
}

// fresh sets a system up with an empty queue, whose mail is held. The caller closes it. A trace is a file for strace; "": none.
func (b *bed) fresh(name, trace string) (system.System, error) { return b.setUp(name, trace, nil) }

// delivering sets a system up that sends its mail on.
func (b *bed) delivering(name string, d *system.Delivery) (system.System, error) {
	return b.setUp(name, "", d)
}

func (b *bed) setUp(name, trace string, d *system.Delivery) (system.System, error) {
	b.systems++
	dir := filepath.Join(b.dir, fmt.Sprintf("%s-%d", name, b.systems))
	largest := max(50_000_000, 2*b.size)
	launch := system.Launch{Trace: trace, Slack: b.slack}
	name, key, signs := strings.Cut(name, signing)
	var sign *system.Signing
	if signs {
		sign = &system.Signing{Domain: load.SenderDomain, Type: key}
	}
	switch name {
	case "postfix":
		return system.NewPostfix(system.PostfixOptions{
			Dir: dir, Connections: b.connections, MessageSize: largest, Launch: launch, Delivery: d,
		})
	case "bare":
		return system.NewBare(system.BareOptions{Program: b.self, Dir: dir, Launch: launch})
	}
	return system.NewRelay(system.RelayOptions{
		Program: b.relay, Dir: dir, Connections: b.connections + 10, MessageSize: largest, Launch: launch, Busy: b.busy, Sign: sign, Delivery: d,
	})
}

// place says in one line where the run takes place.
func (b *bed) place() string {
	slack := "as it is"
	if b.slack > 0 {
		slack = b.slack.String()
	}
	return fmt.Sprintf("%v; %s (%s, %s); timer slack %s", report.ThisMachine(), b.dir, b.fs.Type, b.fs.Device, slack)
}

// flush takes to the disk what the system before left in memory: none is to pay for another one's files.
func (b *bed) flush() error {
	d, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("sync the file system of %s: %w", b.dir, err)
	}
	return nil
}
