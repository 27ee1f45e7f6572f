//go:build linux

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// measure runs a command that measures tlsrelay, in a folder of its own.
func measure(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	return command(t, append(args, "--tlsrelay", relayProgram(t), "--dir", scratch(t), "--any-medium")...)
}

// withPeer runs a test with tlsrelay alone, and beside Postfix.
func withPeer(t *testing.T, test func(t *testing.T, peer string)) {
	t.Parallel()
	for _, peer := range []string{"none", "postfix"} {
		t.Run(peer, func(t *testing.T) {
			t.Parallel()
			if peer == "postfix" {
				postfix(t)
			}
			test(t, peer)
		})
	}
}

// small runs a command with few messages, which must end well, and reads its report.
func small(t *testing.T, into any, args ...string) {
	t.Helper()
	code, out, errOut := measure(t, append(args, "--json")...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, errOut, out)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// testTable runs a command and looks for a row and the books in what it prints.
func testTable(t *testing.T, args, want string) {
	t.Helper()
	code, out, errOut := measure(t, strings.Fields(args)...)
	if code != 0 || !strings.Contains(out, want) || !strings.Contains(out, "missing 0, duplicates 0, left in the queue ") {
		t.Errorf("exit code %d, and the output lacks %q:\n%s%s", code, want, out, errOut)
	}
}

// testBounds runs a command whose bounds cannot hold: the report is there, and the exit code says so.
func testBounds(t *testing.T, args string, want ...string) {
	t.Helper()
	code, out, errOut := measure(t, append(strings.Fields(args), "--json")...)
	for _, text := range want {
		if code != 1 || !strings.Contains(errOut, text) || !strings.Contains(out, text) || strings.Contains(errOut, "the median in ms") {
			t.Errorf("exit code %d, and the output lacks %q:\n%s%s", code, text, out, errOut)
		}
	}
}
