package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"tlsrelay/configs"
	"tlsrelay/relay"
)

// host starts a mail server on loopback with one version of TLS, or 0 for none, and gives its address.
func host(t *testing.T, name string, version uint16) string {
	t.Helper()
	h, err := startDemoHost(name, version)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.stop)
	return h.listener.Addr().String()
}

func TestCheckExitCodes(t *testing.T) {
	good, old, plain := host(t, "mx.test", tls.VersionTLS12), host(t, "mx.test", tls.VersionTLS10), host(t, "mx.test", 0)
	for args, want := range map[string]int{
		good:                        exitDone,
		good + " " + good:           exitDone,
		"--json " + good:            exitDone,
		old:                         exitProblem,
		plain:                       exitProblem,
		"127.0.0.1:1":               exitProblem,
		good + " " + old:            exitProblem,
		"--json " + old:             exitProblem,
		"--implicit " + good:        exitProblem, // it greets in clear text
		"":                          exitUsage,
		"a..b":                      exitUsage,
		good + " a..b":              exitUsage,
		"--timeout -1s " + good:     exitUsage,
		"--frobnicate " + good:      exitUsage,
		"--config /no/file " + good: exitProblem,
	} {
		var out, errs bytes.Buffer
		code := run(append([]string{"check"}, strings.Fields(args)...), streams{nil, &out, &errs})
		if code != want {
			t.Errorf("check %s: exit code %d, want %d\n%s%s", args, code, want, out.String(), errs.String())
		}
		if code == exitUsage && out.Len() > 0 {
			t.Errorf("check %s: asked somebody\n%s", args, out.String())
		}
	}
}

// TestCheckHostileCertificate: names in a certificate do nothing to a terminal.
func TestCheckHostileCertificate(t *testing.T) {
	evil := host(t, "mx\x1b]0;owned\x07\x1b[31m.test", tls.VersionTLS13)
	for _, flag := range []string{"", "--json"} {
		var out, errs bytes.Buffer
		code := run(append([]string{"check", evil}, strings.Fields(flag)...), streams{nil, &out, &errs})
		text := out.String() + errs.String()
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q", text[i:])
		}
		if code != exitDone || !strings.Contains(text, "mx?]0;owned??[31m.test") {
			t.Errorf("exit code %d\n%s", code, text)
		}
		if flag != "" && !json.Valid(out.Bytes()) {
			t.Errorf("no JSON: %s", text)
		}
	}
}

// TestCheckStops: a tarpit does not keep the command from ending with Ctrl-C.
func TestCheckStops(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	var pit sync.WaitGroup
	pit.Go(func() {
		c, err := l.Accept()
		if err == nil {
			interrupt()
			io.Copy(io.Discard, c)
			c.Close()
		}
	})
	defer pit.Wait()
	defer l.Close()
	cfg, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	checker, err := relay.NewChecker(cfg, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	target, err := relay.ParseCheckTarget(l.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	start := time.Now()
	err = (&checkCommand{}).check(ctx, checker, []relay.CheckTarget{target}, streams{nil, &out, io.Discard})
	if err == nil || err.Error() != "stopped when 0 of 1 target had been checked" || out.Len() > 0 || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v\n%s", err, time.Since(start), out.String())
	}
}

// TestFollow: the line shows what is current, is away while something else is written, and in the end.
func TestFollow(t *testing.T) {
	var screen bytes.Buffer
	p := startProgress(&screen, time.Now)
	p.next = time.Time{}
	asked := make(chan int, 1)
	f := follow(p, func() string {
		select {
		case asked <- 1:
		default:
		}
		return "asked 1 of 8 addresses"
	})
	<-asked
	failed := errors.New("disk full")
	if err := f.aside(func() error { fmt.Fprint(&screen, "<report>"); return failed }); err != failed {
		t.Error(err)
	}
	f.stop()
	if got := screen.String(); !strings.HasPrefix(got, "asked 1 of 8 addresses\r\x1b[K<report>") || strings.Count(got, "asked") != strings.Count(got, "\x1b[K") {
		t.Errorf("%q", got)
	}
}
