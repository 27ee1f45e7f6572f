//go:build linux

package system

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tlsrelay/relay/need"
)

func TestLogCounter(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	add := func(file, text string) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := io.WriteString(f, text); err != nil {
			t.Fatal(err)
		}
	}
	l := logCounter{files: []string{first}, text: []byte("deferred")}
	want := func(n int) {
		t.Helper()
		if got, err := l.count(); got != n || err != nil {
			t.Errorf("counts %d, %v; want %d", got, err, n)
		}
	}
	want(0) // there is no file yet
	add(first, "a deferred b deferred defe")
	want(2)
	want(2)
	add(first, "rred\n") // written in two pieces
	want(3)
	add(first, strings.Repeat("deferred ", 100_000))
	add(first, "defer")
	l.files = append(l.files, second)
	add(second, "red deferred") // its beginning does not belong to the end of the first
	want(100_004)
}

func TestReadyLine(t *testing.T) {
	const log = `time=2026-11-03T12:00:00.000Z level=WARN msg="something else"
time=2026-11-03T12:00:00.000Z level=INFO msg=ready listeners=[127.0.0.1:40001] queued=0 damaged=0
`
	if found := readyLine.FindStringSubmatch(log); found == nil || found[1] != "127.0.0.1:40001" {
		t.Errorf("found %q", found)
	}
	if found := readyLine.FindString(`time=x msg=already listeners=[127.0.0.1:1]`); found != "" {
		t.Errorf("found %q", found)
	}
}

func TestReachable(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "relaybench-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := reachable(dir); err == nil || !strings.Contains(err.Error(), "cannot get through "+dir+" (mode 0700)") {
		t.Errorf("a closed folder gives %v", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := reachable(dir); err != nil {
		t.Error(err)
	}
}

func TestChild(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	c, err := startChild(log, Launch{}, "sh", "-c", "trap '' TERM; echo started; sleep 60 & sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	started := func() bool {
		text, _ := os.ReadFile(log)
		return strings.Contains(string(text), "started")
	}
	if err := c.await(t.Context(), "the script", started); err != nil {
		t.Fatal(err)
	}
	if err := c.kill(); err != nil {
		t.Error(err)
	}
	if pids, err := c.session().PIDs(); len(pids) > 0 || err != nil {
		t.Errorf("left: %v, %v", pids, err)
	}
	if !c.over() {
		t.Error("it is not over")
	}

	c, err = startChild(log, Launch{}, "sh", "-c", "echo no such luck; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = c.await(t.Context(), "the script", func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "the script ended before it was ready:\nno such luck") {
		t.Errorf("a program that ends early gives %v", err)
	}
	c, err = startChild(log, Launch{}, "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.await(ctx, "sleep", func() bool { return false }); err == nil || !strings.Contains(err.Error(), "sleep is not ready") {
		t.Errorf("an interrupt gives %v", err)
	}
	if err := c.stop("sleep"); err != nil {
		t.Error(err)
	}
}

// TestSyncs has a program of which is known what it syncs counted.
func TestSyncs(t *testing.T) {
	need.That(t, "strace", CanTrace())
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	c, err := startChild(filepath.Join(dir, "log"), Launch{Trace: trace}, "sh", "-c",
		"for i in 1 2 3; do dd if=/dev/zero of="+dir+"/file count=1 conv=fsync; done; dd if=/dev/zero of="+dir+"/file count=1 conv=fdatasync")
	if err != nil {
		t.Fatal(err)
	}
	<-c.ended
	c.kill() // strace may need a moment longer
	if n, err := Syncs(trace); n != 4 || err != nil {
		t.Errorf("counts %d syncs, %v; want 4", n, err)
	}
}

// TestTimerSlack: the programs have it, and this process does not.
func TestTimerSlack(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for _, slack := range []time.Duration{0, 123 * time.Microsecond} {
		c, err := startChild(log, Launch{Slack: slack}, "cat", "/proc/self/timerslack_ns")
		if err != nil {
			t.Fatal(err)
		}
		<-c.ended
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if has := strings.TrimSpace(string(text)) == "123000"; has != (slack > 0) {
			t.Errorf("slack %v: the program has %s ns", slack, text)
		}
	}
}

func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := empty(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v; want an empty file", info, err)
	}
	if err := empty(filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
}
