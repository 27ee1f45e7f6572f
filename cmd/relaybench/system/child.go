//go:build linux

package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tlsrelay/cmd/relaybench/proc"
)

// child is a program that runs in a session of its own, with what it starts.
type child struct {
	cmd   *exec.Cmd
	log   string        // file that its output goes to
	ended chan struct{} // closed when the program itself has ended
}

// Bounds of waiting for programs.
const (
	startPatience = 5 * time.Minute // a start with a million messages in the queue takes its time
	stopPatience  = time.Minute
	killPatience  = 10 * time.Second
	look          = 2 * time.Millisecond // how often a log or a port is looked at
)

// Launch says how the programs of a system are started.
type Launch struct {
	Trace string        // file in which strace notes what they sync; "": none
	Slack time.Duration // timer slack of their threads, PR_SET_TIMERSLACK in prctl(2); 0: as it is
}

// startChild runs a program; its output goes to the file log.
func startChild(log string, l Launch, program string, args ...string) (*child, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if l.Trace != "" {
		program, args = "strace", append(traceArgs(l.Trace), append([]string{program}, args...)...)
	}
	c := &child{cmd: exec.Command(program, args...), log: log, ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), "LC_ALL=C")
	c.cmd.Stdout, c.cmd.Stderr = out, out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL} // it must not outlive even a killed bench
	if err := l.start(c.cmd); err != nil {
		return nil, err
	}
	go func() {
		c.cmd.Wait() // how it ended is told by its log
		close(c.ended)
	}()
	return c, nil
}

// start starts a program with the slack, which a process has from the thread that makes it.
func (l Launch) start(cmd *exec.Cmd) error {
	if l.Slack <= 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(l.Slack), 0, 0, 0); err != nil {
		return fmt.Errorf("timer slack: %w", err)
	}
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // back to what it was
	return cmd.Start()
}

// over reports whether the program has ended.
func (c *child) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// session gives the program's processes.
func (c *child) session() proc.Session { return proc.Session(c.cmd.Process.Pid) }

// await waits until ready says so. It fails when the program ends before, or takes too long.
func (c *child) await(ctx context.Context, what string, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for !ready() {
		select {
		case <-c.ended:
			return fmt.Errorf("%s ended before it was ready:\n%s", what, c.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", what, ctx.Err(), c.lastWords())
		case <-time.After(look):
		}
	}
	return nil
}

// lastWords gives the end of the log.
func (c *child) lastWords() string {
	const most = 2000
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-most):]))
}

// stop tells the program to end, and ends by force what does not.
func (c *child) stop(name string) error {
	c.cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended
	return c.wait(name)
}

// wait is for the end of a program that was told to stop.
func (c *child) wait(name string) error {
	select {
	case <-c.ended:
	case <-time.After(stopPatience):
		return errors.Join(fmt.Errorf("%s did not stop within %v", name, stopPatience), c.kill())
	}
	return c.kill() // children that outlive it
}

// kill ends all processes of the session, and waits until they are gone.
func (c *child) kill() error {
	for deadline := time.Now().Add(killPatience); ; time.Sleep(look) {
		pids, err := c.session().PIDs()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			<-c.ended
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not end", pids)
		}
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL) // fails if it has ended
		}
	}
}

// empty gives back the space of all files below dir. The files stay, for whoever made dir: ext4 without a journal does not use
// the inodes of deleted files again for a while, and looks for others so long that the next system would be slow.
func empty(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = os.Truncate(path, 0)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// find locates a program, also where only root has it in the path.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", program))
}

// output runs a program to its end and gives what it printed.
func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd, err, bytes.TrimSpace(errOut.Bytes()))
	}
	return out.Bytes(), nil
}
