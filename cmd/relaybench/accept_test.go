//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tlsrelay/cmd/relaybench/system"
	"tlsrelay/relay/need"
)

// postfix ends the test where Postfix cannot be measured.
func postfix(t *testing.T) {
	t.Helper()
	need.Root(t)
	need.Programs(t, "postconf")
}

func TestAccept(t *testing.T) {
	t.Parallel()
	t.Run("bare", func(t *testing.T) {
		t.Parallel()
		testAccept(t, 2, []string{"tlsrelay", "bare"})
	})
	t.Run("postfix", func(t *testing.T) {
		t.Parallel()
		postfix(t)
		testAccept(t, 1, []string{"tlsrelay", "postfix", "bare"}, "--peer", "postfix", "--pipelining", "--recipients", "0")
	})
	t.Run("signing", func(t *testing.T) {
		t.Parallel()
		testAccept(t, 1, []string{"tlsrelay", "tlsrelay+ed25519", "tlsrelay+rsa"}, "--no-bare", "--dkim", "ed25519,rsa")
	})
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		need.That(t, "strace", system.CanTrace())
		testAccept(t, 1, []string{"tlsrelay"}, "--no-bare", "--syncs")
	})
}

// testAccept runs a small bench and judges what can be known before: the books, and which numbers are possible at all.
func testAccept(t *testing.T, rounds int, systems []string, flags ...string) {
	if !slices.Contains(flags, "--syncs") {
		flags = append(flags, "--no-syncs")
	}
	const messages = 300
	var r acceptReport
	small(t, &r, append([]string{"accept", "--messages", "300", "--rounds", strconv.Itoa(rounds), "--clients", "1,5"}, flags...)...)
	sent := (2*messages + warmUp(1, messages) + warmUp(5, messages)) * rounds * len(systems)
	if b := r.Totals; b.Sent != sent || b.Acknowledged != sent || b.Queued != sent {
		t.Errorf("%d messages were to be sent; the books say %+v", sent, b)
	}
	if len(r.Runs) != 2*rounds*len(systems) || len(r.Summary) != 2*len(systems) || len(r.Ratios) != 2*(len(systems)-1) {
		t.Fatalf("%d runs, %d summaries, %d ratios", len(r.Runs), len(r.Summary), len(r.Ratios))
	}
	for i, s := range r.Runs {
		if want := systems[i%len(systems)]; s.System != want {
			t.Errorf("run %d is of %s, want %s", i, s.System, want)
		}
		if s.PerSecond <= 0 || s.CPU <= 0 || s.P50 < 0 || s.P99 < s.P50 || s.Memory.RSS < 1e6 || s.Memory.Peak < s.Memory.RSS/2 {
			t.Errorf("these numbers cannot be: %+v", s)
		}
	}
	for _, x := range r.Ratios {
		least := 0.0
		if x.Of == "tlsrelay+rsa" { // a signature takes several times what a message takes otherwise
			least = 1
		}
		if signs := strings.HasPrefix(x.Of, "tlsrelay+"); signs != (x.To == "tlsrelay") || x.CPU.Median <= least {
			t.Errorf("this ratio cannot be: %+v", x)
		}
	}
	for _, s := range r.Summary {
		counted := slices.Contains(flags, "--syncs")
		if counted != (s.Syncs != nil) || counted && (*s.Syncs <= 0 || *s.Syncs > 1.1) {
			t.Errorf("syncs a message of %s: %v", s.System, s.Syncs)
		}
	}
}

func TestAcceptTable(t *testing.T) {
	t.Parallel()
	code, out, errOut := measure(t, "accept", "--messages", "100", "--rounds", "1", "--clients", "2", "--no-syncs")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, errOut)
	}
	for _, want := range []string{"\n      2  tlsrelay ", "\n      2  bare ", "missing 0, duplicates 0", "Syncs were not counted: --no-syncs"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}

// TestInterrupt ends a run that would last long, and looks for what is left.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			dir := scratch(t)
			cmd := exec.Command(strings.TrimSuffix(relayProgram(t), "tlsrelay")+"relaybench", "accept", "--tlsrelay", relayProgram(t),
				"--dir", dir, "--any-medium", "--messages", "10000000", "--clients", "3")
			var errOut strings.Builder
			cmd.Stderr = &errOut
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			started := "serve --config " + dir
			until(t, "the relay runs", func() bool { return len(running(t, started)) > 0 })
			time.Sleep(200 * time.Millisecond) // the load begins
			cmd.Process.Signal(signal)
			late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
			defer late.Stop()
			cmd.Wait()
			if signal == syscall.SIGKILL {
				until(t, "the relay has ended", func() bool { return len(running(t, started)) == 0 })
				os.RemoveAll(dir) // nobody is left who would
				return
			}
			if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(errOut.String(), "interrupted") {
				t.Errorf("exit code %d\n%s", code, errOut.String())
			}
			if left := running(t, started); len(left) > 0 {
				t.Errorf("processes are left: %q", left)
			}
		})
	}
}

// until waits for what must come.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// running gives the command lines of processes that hold a text.
func running(t *testing.T, text string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("no processes in /proc: %v", err)
	}
	for _, file := range files {
		line, _ := os.ReadFile(file) // of one that has ended there is none
		if s := strings.ReplaceAll(string(line), "\x00", " "); strings.Contains(s, text) {
			found = append(found, s)
		}
	}
	return found
}
