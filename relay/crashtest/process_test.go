//go:build linux

package crashtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tlsrelay/relay/need"
)

// startTime bounds how long a relay takes to be ready.
const startTime = 20 * time.Second

// process is one life of the relay.
type process struct {
	life    int
	cmd     *exec.Cmd
	address string        // of its listener, once it is ready
	ready   chan struct{} // closed when it said so
	ended   chan struct{} // closed when the process is gone and its log is read
	books   *books

	mu  sync.Mutex
	log []byte // without the lines on single mails
}

// start starts the relay and waits until it is ready.
func (r *rig) start(t *testing.T) *process {
	t.Helper()
	p := r.launch(t, nil)
	if !p.isReady(t) {
		t.Fatalf("the relay did not start: %v\n%s", p.cmd.ProcessState, p.said())
	}
	return p
}

// launch starts the relay. With a tracer its system calls go through that.
func (r *rig) launch(t *testing.T, tr *tracer) *process {
	t.Helper()
	r.configure(t)
	args := []string{program(t), "serve", "--config", r.config}
	p := &process{
		life: r.lives, books: r.books, cmd: exec.Command(args[0], args[1:]...),
		ready: make(chan struct{}), ended: make(chan struct{}),
	}
	if tr != nil {
		p.cmd = tr.command(t, args)
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // should the tests be killed
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.follow(stderr)
		p.cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	t.Cleanup(p.kill)
	if tr != nil {
		need.That(t, "seccomp user notification, of Linux 5.19", tr.follow(p.cmd.Process.Pid))
	}
	return p
}

// isReady waits until the relay is ready, or reports that it has ended.
func (p *process) isReady(t *testing.T) bool {
	t.Helper()
	select {
	case <-p.ready:
		return true
	case <-p.ended:
		return false
	case <-time.After(startTime):
		t.Fatalf("the relay is not ready after %v\n%s", startTime, p.said())
		return false
	}
}

// logLine is what is read of the log.
type logLine struct {
	Msg, Sender, Recipient, Result string
	Listeners                      []string
}

// follow reads the log to its end.
func (p *process) follow(stderr io.Reader) {
	lines := bufio.NewReader(stderr)
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var line logLine
		json.Unmarshal(text, &line) // what is no JSON is kept below
		switch line.Msg {
		case "accepted", "notice":
		case "delivery":
			if line.Result == "delivered" {
				p.delivered(line)
			}
		default:
			p.keep(text)
		}
		if line.Msg == "ready" {
			p.address = line.Listeners[0]
			close(p.ready)
		}
	}
}

func (p *process) delivered(line logLine) {
	sender := line.Sender
	if sender == "" {
		sender = line.Recipient
	}
	if number, ok := numberOf(sender); ok {
		p.books.store(number, line.Sender == "", p.life)
	}
}

// keep puts text into the log. Of a long one the beginning goes.
func (p *process) keep(text []byte) {
	const most = 64 << 10
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, text...)
	if len(p.log) > most {
		p.log = append(p.log[:0], p.log[len(p.log)-most/2:]...)
	}
}

// said gives the log so far.
func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.log)
}

// hasEnded reports whether the process is gone.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// mustRun ends the test if the relay has ended by itself.
func (p *process) mustRun(t *testing.T) {
	t.Helper()
	if p.hasEnded() {
		t.Fatalf("the relay has ended by itself: %v\n%s", p.cmd.ProcessState, p.said())
	}
}

// await waits until ready says so, and ends the test when that takes too long or the relay ends.
func (p *process) await(t *testing.T, limit time.Duration, what string, ready func() bool) {
	t.Helper()
	pause := 10 * time.Millisecond
	for deadline := time.Now().Add(limit); !ready(); time.Sleep(pause) {
		p.mustRun(t)
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s\n%s", limit, what, p.said())
		}
		pause = min(2*pause, 200*time.Millisecond)
	}
}

// kill ends the relay at once, wherever it is.
func (p *process) kill() {
	p.cmd.Process.Kill() // fails if it is gone
	<-p.ended
}

// freeze stops all threads of the relay where they are; those within a system call do not come out of it.
func (p *process) freeze() error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); errors.Is(err, os.ErrProcessDone) {
		return nil
	} else if err != nil {
		return err
	}
	for deadline := time.Now().Add(startTime); ; {
		states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(states, runs) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not stop", p.cmd.Process.Pid)
		}
	}
}

// runs reports whether the thread with this stat file may still run code of its program, proc_pid_stat(5).
func runs(stat string) bool {
	text, _ := os.ReadFile(stat) // empty: it is gone
	_, state, _ := strings.Cut(string(text), ") ")
	return state != "" && (state[0] == 'R' || state[0] == 'S')
}

// stop tells the relay to end in order, and waits for that.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.mustRun(t)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(startTime):
		t.Fatalf("the relay does not end within %v of SIGTERM\n%s", startTime, p.said())
	}
	if !p.cmd.ProcessState.Success() {
		t.Fatalf("the relay ended with %v\n%s", p.cmd.ProcessState, p.said())
	}
	p.books.mu.Lock()
	defer p.books.mu.Unlock()
	p.books.orderly[p.life] = true
}

// crash tells how a relay that has ended crashed: by a panic, or by a signal that is not SIGKILL. "" is no crash.
func (p *process) crash() string {
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	log := p.said()
	if status.Signaled() && status.Signal() != syscall.SIGKILL || strings.Contains(log, "\ngoroutine ") {
		return fmt.Sprintf("%v\n%s", p.cmd.ProcessState, log)
	}
	return ""
}

// program gives the path of tlsrelay, built on first use.
func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tlsrelay-crashtest-")
	if err != nil {
		return "", err
	}
	programDir = dir
	out, err := exec.Command("go", "build", "-o", dir+"/tlsrelay", "tlsrelay/cmd/tlsrelay").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir + "/tlsrelay", nil
})

// programDir is removed when all tests are done.
var programDir string
