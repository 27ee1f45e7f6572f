//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// programs builds relaybench and tlsrelay once for all tests.
var programs = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "relaybench-programs-"); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir, "tlsrelay/cmd/relaybench", "tlsrelay/cmd/tlsrelay").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := programs(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// scratch makes a folder that Postfix's own user gets through to, unlike t.TempDir. What a command leaves in it fails the test.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "relaybench-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, _ := filepath.Glob(dir + "/*"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		os.RemoveAll(dir)
	})
	return dir
}

// command runs relaybench to its end.
func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "relaybench"), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// relayProgram is the tlsrelay to measure.
func relayProgram(t *testing.T) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "tlsrelay")
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", 0, "Measures tlsrelay side by side"},
		{"help", 0, "accept"},
		{"accept --help", 0, "Example: relaybench accept --peer postfix"},
		{"frob", 2, "unexpected argument frob"},
		{"accept --clients 0", 2, "--clients: write numbers from 1"},
		{"accept --rounds 0", 2, "--rounds: write a number"},
		{"accept --messages 0", 2, "--messages: write a number"},
		{"accept --size 0", 2, "--size: write a number"},
		{"accept --dkim dsa", 2, "--dkim must be one of"},
		{"accept --dkim rsa,rsa", 2, "--dkim: name each type once"},
		{"accept --peer exim", 2, "--peer must be one of"},
		{"backlog --help", 0, "Example: relaybench backlog"},
		{"backlog --messages 0", 2, "--messages: write a number"},
		{"backlog --domains 0", 2, "--domains: write a number"},
		{"backlog --clients 0", 2, "--clients: write a number"},
		{"backlog --drain burn", 2, "--drain must be one of"},
		{"idle --help", 0, "Example: relaybench idle"},
		{"idle --clients 0", 2, "--clients: write a number"},
		{"idle --messages 0", 2, "--messages: write a number"},
		{"idle --size 0", 2, "--size: write a number"},
		{"relay --help", 0, "Example: relaybench relay --peer postfix"},
		{"relay --messages 0", 2, "--messages: write a number"},
		{"relay --domains 0", 2, "--domains: write a number"},
		{"relay --min-ratio 8", 2, "add --peer postfix"},
		{"relay --clients 0", 2, "--clients: write a number"},
		{"latency --help", 0, "Example: relaybench latency"},
		{"latency --rate 0", 2, "--rate: write a number above 0"},
		{"latency --seconds 0", 2, "--seconds: write a number"},
		{"rtt --help", 0, "Example: relaybench rtt"},
		{"rtt --delay 0s", 2, "--delay: write a time"},
		{"rtt --messages 1", 2, "--messages: write a number from 2"},
		{"mixed --help", 0, "Example: relaybench mixed"},
		{"mixed --domains 18", 2, "--domains: write a number from 19"},
		{"sink --help", 0, "Example: relaybench sink"},
		{"sink --reply frob=451", 2, `there is no stage "frob"`},
		{"sink --reply rcpt=no", 2, `"no" is no answer`},
		{"accept --dir /proc/none", 1, "no such file"},
		{"accept --tlsrelay /bin/false --clients 1 --any-medium", 1, "tlsrelay ended before it was ready"},
	} {
		var args []string
		if c.args != "" {
			args = strings.Fields(c.args)
		}
		code, out, errOut := command(t, args...)
		if code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("relaybench %s ends with %d, want %d and %q:\n%s%s", c.args, code, c.code, c.want, out, errOut)
		}
	}
}
