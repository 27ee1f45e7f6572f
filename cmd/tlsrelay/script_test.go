package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tlsrelay/configs"
	"tlsrelay/relay"
)

// scriptCommands are what the scripts know beside testscript's own commands.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	// envsubst FILE replaces ${NAME} in a file.
	"envsubst": func(ts *testscript.TestScript, _ bool, args []string) {
		text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
	},
	// relay CONFIG starts a relay, which runs until stop or the end of the script.
	"relay": scriptRelay,
	// stop stops the relay.
	"stop": func(ts *testscript.TestScript, _ bool, _ []string) { stopScriptRelay(ts) },
	// mail NAME SENDER RECIPIENT FILE hands a message to the relay, and sets NAME to its ID.
	"mail": scriptMail,
	// damage DIR OLD NEW has a disk turn the text OLD into NEW in the one file of DIR that holds it.
	"damage": scriptDamage,
	// mailhost VAR NAME VERSION starts a mail server with one version of TLS, or none.
	"mailhost": scriptHost,
	// oddhost VAR KIND starts a mail server whose TLS is odd.
	"oddhost": scriptOddHost,
	// names VAR FILE starts a DNS server.
	"names": scriptNames,
}

type scriptRelayKey struct{}

// runningRelay is the relay of one script.
type runningRelay struct {
	address string
	stop    context.CancelFunc // nil: it does not run
	ended   chan error
}

func scriptRelay(ts *testscript.TestScript, _ bool, args []string) {
	cfg, err := configs.Load(ts.MkAbs(args[0]))
	ts.Check(err)
	r, err := relay.New(cfg, slog.New(slog.DiscardHandler))
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	running := ts.Value(scriptRelayKey{}).(*runningRelay)
	*running = runningRelay{r.Addrs()[0].String(), cancel, make(chan error, 1)}
	go func() { running.ended <- r.Run(ctx) }()
	ts.Defer(func() { stopScriptRelay(ts) })
}

func stopScriptRelay(ts *testscript.TestScript) {
	running := ts.Value(scriptRelayKey{}).(*runningRelay)
	if running.stop == nil {
		return
	}
	running.stop()
	running.stop = nil
	select {
	case err := <-running.ended:
		ts.Check(err)
	case <-time.After(40 * time.Second):
		ts.Fatalf("the relay does not stop")
	}
}

// queuedAs finds the ID in the reply to a message.
var queuedAs = regexp.MustCompile(`queued as (\S+)`)

func scriptMail(ts *testscript.TestScript, _ bool, args []string) {
	name, sender, recipient, file := args[0], args[1], args[2], args[3]
	address := ts.Value(scriptRelayKey{}).(*runningRelay).address
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	ts.Check(err)
	ts.Check(conn.SetDeadline(time.Now().Add(30 * time.Second)))
	c, err := smtp.NewClient(conn, "relay.test")
	ts.Check(err)
	defer c.Close()
	ts.Check(c.Mail(sender))
	ts.Check(c.Rcpt(recipient))
	// The reply to the final dot holds the ID, so it is read by hand.
	_, err = c.Text.Cmd("DATA")
	ts.Check(err)
	_, _, err = c.Text.ReadResponse(354)
	ts.Check(err)
	w := c.Text.DotWriter()
	fmt.Fprint(w, ts.ReadFile(file))
	ts.Check(w.Close())
	_, reply, err := c.Text.ReadResponse(250)
	ts.Check(err)
	ts.Setenv(name, queuedAs.FindStringSubmatch(reply)[1])
}

func scriptDamage(ts *testscript.TestScript, _ bool, args []string) {
	old, damaged := []byte(args[1]), []byte(args[2])
	if len(old) != len(damaged) {
		ts.Fatalf("a disk does not change lengths")
	}
	hits := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, old) {
			return err
		}
		hits++
		return os.WriteFile(path, bytes.Replace(text, old, damaged, 1), 0o600)
	}))
	if hits != 1 {
		ts.Fatalf("%d files hold %q", hits, old)
	}
}
