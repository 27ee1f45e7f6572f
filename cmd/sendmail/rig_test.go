//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tlsrelay/configs"
	"tlsrelay/relay"
)

var programDir string // holds the program, for the tests that need a process

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("/tmp", "tlsrelay-sendmail-")
	if err != nil {
		panic(err)
	}
	programDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// program gives the path of this program, built on first use, for every user to run.
func program(t testing.TB) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programDir, "sendmail")
}

var build = sync.OnceValue(func() error {
	for _, name := range []string{"sendmail", "tlsrelay"} {
		out, err := exec.Command("go", "build", "-o", filepath.Join(programDir, name), "tlsrelay/cmd/"+name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	return os.Chmod(programDir, 0o755)
})

// rig is a relay that takes mail at a socket and keeps it: its only next hop is a port where nobody listens.
type rig struct {
	t      testing.TB
	cfg    *configs.Config
	file   string // its configuration
	socket string
	log    *lockedBuffer
}

const rigConfig = `
hostname = "relay.test"
data_dir = "tlsrelay"
[[listener]]
address = "unix:run/s.sock"
tls = "off"
auth = "off"
[[route]]
domain = "*"
hosts = ["127.0.0.1:1"]
`

// newRig starts a relay until the test ends; more is configuration.
func newRig(t testing.TB, more string) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "tlsrelay-sendmail-") // unlike t.TempDir, all users get through to it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, file: filepath.Join(dir, "relay.toml"), socket: filepath.Join(dir, "run", "s.sock"), log: &lockedBuffer{}}
	if err := os.WriteFile(r.file, []byte(rigConfig+more), 0o644); err != nil {
		t.Fatal(err)
	}
	if r.cfg, err = configs.Load(r.file); err != nil {
		t.Fatal(err)
	}
	server, err := relay.New(r.cfg, slog.New(slog.NewTextHandler(r.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(r.log.String(), "msg=ready"); {
		if time.Now().After(deadline) {
			t.Fatalf("the relay is not ready:\n%s", r.log.String())
		}
		time.Sleep(time.Millisecond)
	}
	return r
}

// sent is a message in the queue.
type sent struct {
	relay.Message
	to   string // recipients, with commas between
	text string
}

// take gives what is queued, and empties the queue.
func (r *rig) take() []sent {
	r.t.Helper()
	ctx := context.Background()
	q, err := relay.OpenQueue(ctx, r.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		r.t.Fatal(err)
	}
	defer q.Close()
	var all []sent
	if err := q.List(ctx, relay.Selection{All: true}, func(m relay.Message) error {
		s := sent{Message: m}
		for _, rcpt := range m.Recipients {
			s.to += "," + rcpt.Address
		}
		s.to = strings.TrimPrefix(s.to, ",")
		all = append(all, s)
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	for i := range all {
		var text bytes.Buffer
		if err := q.Content(ctx, all[i].ID, &text); err != nil {
			r.t.Fatal(err)
		}
		all[i].text = text.String()
		if _, err := q.Delete(ctx, relay.Selection{IDs: []relay.ID{all[i].ID}}); err != nil {
			r.t.Fatal(err)
		}
	}
	return all
}

// one gives the only message.
func (r *rig) one() sent {
	r.t.Helper()
	all := r.take()
	if len(all) != 1 {
		r.t.Fatalf("%d messages are queued, want 1: %+v", len(all), all)
	}
	return all[0]
}

// answer is how a call ended.
type answer struct {
	code     int
	out, err string
}

// call runs the program in this process.
func (r *rig) call(in io.Reader, args ...string) answer {
	r.t.Helper()
	return callAt(r.socket, in, args...)
}

func callAt(socket string, in io.Reader, args ...string) answer {
	var out, errs bytes.Buffer
	code := run("sendmail", args, surroundings{in, &out, &errs, socket})
	return answer{code, out.String(), errs.String()}
}

// mustCall is a call that has to do its work without a word.
func (r *rig) mustCall(in string, args ...string) {
	r.t.Helper()
	if got := r.call(strings.NewReader(in), args...); got != (answer{}) {
		r.t.Fatalf("sendmail %q: %+v\n%s", args, got, r.log.String())
	}
}

// lockedBuffer is a log that is written and read at the same time.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
