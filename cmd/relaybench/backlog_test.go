//go:build linux

package main

import (
	"net/smtp"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testBacklog runs a small backlog and gives the report, whose books must add up.
func testBacklog(t *testing.T, flags ...string) backlogReport {
	t.Helper()
	var r backlogReport
	small(t, &r, append([]string{"backlog", "--messages", "400", "--peer-messages", "100", "--domains", "7", "--size", "1000",
		"--clients", "4", "--load", "200", "--rounds", "1", "--space-wait", "1s"}, flags...)...)
	for _, s := range r.Systems {
		b := s.Books
		if b.Deferred < s.Messages || b.Queued < b.Acknowledged || b.Acknowledged < s.Messages+200 || len(b.Missing) > 0 || s.Left > 0 {
			t.Errorf("%s: the books say %+v; left %d", s.System, b, s.Left)
		}
		if s.Memory.RSS < 1e6 || s.StartSeconds <= 0 || s.KillSeconds <= 0 || s.Ratio.Median <= 0 || s.DiskFull < int64(1000*s.Messages) {
			t.Errorf("%s: these numbers cannot be: %+v", s.System, s)
		}
	}
	return r
}

func TestBacklogDelivered(t *testing.T) {
	t.Parallel()
	r := testBacklog(t, "--drain", "deliver")
	if len(r.Systems) != 1 {
		t.Fatalf("%d systems", len(r.Systems))
	}
	s := r.Systems[0]
	if s.Received < s.Books.Queued || len(s.Undelivered) > 0 || len(s.Doubles) > 0 {
		t.Errorf("of %d messages %d came to the sink, %d did not, %d twice", s.Books.Queued, s.Received, len(s.Undelivered), len(s.Doubles))
	}
}

func TestBacklogOfPostfix(t *testing.T) {
	t.Parallel()
	postfix(t)
	r := testBacklog(t, "--peer", "postfix")
	if len(r.Systems) != 2 || r.Systems[0].Messages != 400 || r.Systems[1].Messages != 100 || r.Systems[0].Drain != "delete" {
		t.Errorf("%+v", r.Systems)
	}
}

func TestSinkCommand(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(strings.TrimSuffix(relayProgram(t), "tlsrelay")+"relaybench", "sink", "--address", "127.0.0.1:0", "--json",
		"--reply", "rcpt=550 5.1.1 no, nobody")
	var out strings.Builder
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	line := make([]byte, 200)
	n, _ := stderr.Read(line)
	_, address, _ := strings.Cut(strings.TrimSpace(string(line[:n])), "listens on ")
	c, err := smtp.Dial(address)
	if err != nil {
		t.Fatalf("%v after %q", err, line[:n])
	}
	defer c.Close()
	if err := c.Mail("a@x.test"); err != nil {
		t.Error(err)
	}
	if err := c.Rcpt("b@y.test"); err == nil || !strings.Contains(err.Error(), "5.1.1 no, nobody") {
		t.Errorf("RCPT gives %v", err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), `"refusals":1`) {
		t.Errorf("%v: %s", err, out.String())
	}
}
