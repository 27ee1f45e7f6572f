package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSignals(t *testing.T) {
	k := newKillRig(t)
	p := k.start(t)
	t.Cleanup(p.kill)
	send := func(s syscall.Signal, want string) {
		t.Helper()
		before := len(p.said())
		if err := p.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); !strings.Contains(p.said()[before:], want); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("after %v the log does not say %q:\n%s", s, want, p.said())
			}
		}
	}
	good, err := os.ReadFile(k.config)
	if err != nil {
		t.Fatal(err)
	}
	rewrite := func(text string) {
		t.Helper()
		if err := os.WriteFile(k.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	send(syscall.SIGHUP, "the configuration was read again\"")
	rewrite(string(good) + "[queue]\nlifetime = 3\n")
	send(syscall.SIGHUP, ": queue.lifetime: a number does not fit")
	rewrite(string(good) + "[tls]\nfloor = \"1.3\"\n")
	send(syscall.SIGHUP, "the configuration was read again\"")

	k.send(p.address)
	send(syscall.SIGTERM, "stopped")
	<-p.ended
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, p.said())
	}
}
