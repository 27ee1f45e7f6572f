//go:build linux

package main

import (
	"strings"
	"testing"
)

func TestIdle(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--tls", "--no-tls"} {
		var r idleReport
		small(t, &r, "idle", "--clients", "100", "--messages", "20", "--max-memory", "300", "--max-p99", "30s", flag)
		names, sent := "", 0
		for _, s := range r.Stages {
			names += s.Name + " "
			sent += s.Messages
			if s.P50 < 0 || s.P99 < s.P50 || s.Max < s.P99 || s.Memory.RSS < 1e6 {
				t.Errorf("these numbers cannot be: %+v", s)
			}
		}
		if names != "alone connecting idle gone " || r.Sent != sent || sent < 61 || r.Problem != "" || r.TLS != (flag == "--tls") {
			t.Errorf("stages %s, %d messages: %+v", names, sent, r)
		}
	}
}

// Bounds that do not hold are a problem, and the table is there all the same.
func TestIdleBounds(t *testing.T) {
	t.Parallel()
	code, out, errOut := measure(t, "idle", "--clients", "5", "--messages", "5", "--max-memory", "1", "--max-p99", "1ns")
	if code != 1 || !strings.Contains(errOut, "with 5 idle clients, more than 1") || !strings.Contains(errOut, "idle: the 99th percentile is") {
		t.Errorf("exit code %d\n%s", code, errOut)
	}
	if !strings.Contains(out, "\nidle                   5 ") || !strings.Contains(out, "in clear text") {
		t.Errorf("table:\n%s", out)
	}
}
