//go:build linux

package peertest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tlsrelay/relay/need"
)

// process is a program that runs beside the test, in a session and process group of its own.
type process struct {
	name   string
	self   *os.Process
	output string        // file with what it prints
	ended  chan struct{} // closed when the program itself has ended; its children may still run
}

// grace is how long a program may take to end after it was told to.
const grace = 5 * time.Second

// adoptOrphans makes this process the parent of those that its children leave behind, so that it can wait for their
// end.
var adoptOrphans = sync.OnceValue(func() error {
	const prSetChildSubreaper = 36
	if _, _, e := syscall.Syscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); e != 0 {
		return e
	}
	return nil
})

// start runs a program until the test ends. Its output is shown when the test fails.
func start(t *testing.T, dir, path string, args ...string) *process {
	t.Helper()
	if err := adoptOrphans(); err != nil {
		t.Fatal(err)
	}
	path, err := need.Path(path)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: filepath.Base(path), ended: make(chan struct{})}
	out, err := os.CreateTemp(dir, p.name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.output = out.Name()
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.self = cmd.Process
	go func() {
		_ = cmd.Wait() // how it ends is its own matter; that it ends too early shows in await
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.stop(t, syscall.SIGTERM)
		showOnFailure(t, p.name+" "+strings.Join(args, " "), p.output)
	})
	return p
}

// stop ends the program and whatever it started. To stop what has ended does nothing.
func (p *process) stop(t *testing.T, signal os.Signal) {
	t.Helper()
	_ = p.self.Signal(signal) // fails if it has ended
	select {
	case <-p.ended:
	case <-time.After(grace):
		t.Errorf("%s does not end on %v", p.name, signal)
		_ = syscall.Kill(-p.self.Pid, syscall.SIGKILL)
		<-p.ended
	}
	p.reap(t)
}

// reap waits for what is left of the process group.
func (p *process) reap(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(grace)
	for {
		pid, err := syscall.Wait4(-p.self.Pid, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return
		case err != nil && !errors.Is(err, syscall.EINTR):
			t.Errorf("waiting for the children of %s: %v", p.name, err)
			return
		case pid > 0:
			continue
		case time.Now().After(deadline):
			t.Errorf("children of %s outlive it", p.name)
			_ = syscall.Kill(-p.self.Pid, syscall.SIGKILL)
			deadline = time.Now().Add(grace)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// await waits until ready says so; it fails the test when the program ends before, or takes too long.
func (p *process) await(t *testing.T, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ready(); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.ended:
			t.Fatalf("%s has ended", p.name)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready in time", p.name)
		}
	}
}

// showOnFailure prints the end of a file.
func showOnFailure(t *testing.T, title, file string) {
	const most = 8000
	if !t.Failed() {
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Log(err)
		return
	}
	t.Logf("%s:\n%s", title, text[max(0, len(text)-most):])
}

// result is how a program ended.
type result struct {
	code        int
	out, errOut string
}

// run runs a program to its end.
func run(t *testing.T, stdin, path string, args ...string) result {
	t.Helper()
	path, err := need.Path(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("%s: %v\n%s", filepath.Base(path), err, errOut.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// mustRun runs a program that must succeed, and gives its output.
func mustRun(t *testing.T, stdin, path string, args ...string) string {
	t.Helper()
	r := run(t, stdin, path, args...)
	if r.code != 0 {
		t.Fatalf("%s ends with %d\n%s%s", filepath.Base(path), r.code, r.out, r.errOut)
	}
	return r.out
}
