package dovecot

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever Dovecot does, a login ends soon, and the log says once what is wrong and what to do.
func TestTrouble(t *testing.T) {
	instead := func(text string) func(*peer) { // of the greeting
		return func(p *peer) {
			p.read()
			p.read()
			p.say(text)
			p.read()
		}
	}
	after := func(text string) func(*peer) { // the greeting and a request
		return func(p *peer) {
			p.greet()
			p.read()
			p.say(text)
			p.read()
		}
	}
	for name, tc := range map[string]struct {
		serve  func(*peer)
		within time.Duration
		says   string
	}{
		"no socket":           {nil, 0, "does Dovecot run, with a unix_listener for this path"},
		"closes at once":      {func(*peer) {}, 0, "greeting breaks off"},
		"silent":              {func(p *peer) { io.Copy(io.Discard, p) }, greetTime, "does not finish its greeting within 3s; is it the auth-client socket?"},
		"reads nothing":       {func(p *peer) { time.Sleep(time.Minute) }, greetTime, "does not finish its greeting"},
		"another version":     {instead("VERSION\t2\t0\nDONE\n"), 0, `speaks version \"2\"`},
		"another protocol":    {instead("220 relay.test ESMTP\r\n"), 0, "does not greet as Dovecot does"},
		"version twice":       {instead("VERSION\t1\t1\nVERSION\t1\t1\n"), 0, "does not greet as Dovecot does"},
		"no PLAIN":            {instead("VERSION\t1\t1\nMECH\tDIGEST-MD5\nDONE\n"), 0, "add plain to its auth_mechanisms"},
		"the master's socket": {instead("VERSION\t1\t1\nSPID\t1\n"), greetTime, "is it the auth-client socket?"},
		"endless greeting": {instead("VERSION\t1\t1\n" + strings.Repeat("MECH\tX\n", 1000)),
			0, "too much that nobody asked for"},
		"drips": {func(p *peer) {
			p.read()
			p.read()
			for range 100 {
				time.Sleep(time.Second)
				p.say("V")
			}
		}, greetTime, "does not finish its greeting"},
		"endless line":           {after(strings.Repeat("x", 1<<20)), 0, "line of more than 16384 bytes"},
		"endless line, greeting": {instead(strings.Repeat("x", 1<<20)), 0, "line of more than 16384 bytes"},
		"garbage":                {after("\x00\xff\x1b[31m\nOK\tx\n"), 0, "not in its protocol"},
		"stray lines":            {after(strings.Repeat("OK\t99\tuser=app\n", 2000)), 0, "too much that nobody asked for"},
		"closes in mid answer":   {func(p *peer) { p.greet(); p.read(); p.say("OK\t1\tus") }, 0, "connection to Dovecot was lost: EOF"},
		"no answer":              {after(""), answerTime, "does not answer within 10s"},
		"answers others only":    {after("OK\t2\tuser=app\n"), answerTime, "does not answer within 10s"},
		"temporary failure":      {after("FAIL\t1\tuser=app\tcode=temp_fail\n"), 0, "temporary failure; its log says why"},
		"temporary, old":         {after("FAIL\t1\tuser=app\ttemp\n"), 0, "temporary failure; its log says why"},
		"wants more":             {after("CONT\t1\tUGFzc3dvcmQ6\n"), 0, "asks for more than PLAIN has"},
		"a name to fear":         {after("OK\t1\tuser=app\x01n\x1b[2J\n"), 0, "no user name that is printable"},
		"no name":                {after("OK\t1\n"), 0, "no user name that is printable"},
		"a proxy":                {after("OK\t1\tuser=app\tproxy\thost=192.0.2.9\tpass=" + secret + "\n"), 0, "a passdb without proxy"},
		"takes nothing":          {func(p *peer) { p.greet(); time.Sleep(time.Minute) }, writeTime, "lost: Dovecot takes no requests"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, tc.serve)
				f.wantTrouble(tc.within)
				f.wantTrouble(tc.within)
				if log := f.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, tc.says) || !strings.Contains(log, "/run/test") {
					t.Errorf("log:\n%s", log)
				}
				f.mu.Lock()
				f.serve = []func(*peer){answering}
				f.mu.Unlock()
				time.Sleep(2 * logEvery)
				f.wantRight()
				if log := f.log.String(); strings.Count(log, "\n") != 2 || !strings.Contains(log, "Dovecot checks logins again") {
					t.Errorf("log:\n%s", log)
				}
			})
		})
	}
}

// Trouble that comes and goes fills no log.
func TestLogStaysShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f := newFake(t, func(p *peer) {
			p.greet()
			for request := p.read(); request != nil; request = p.read() {
				if n++; n%2 == 0 {
					p.say("FAIL\t" + request[1] + "\ttemp\n")
				} else {
					p.say(verdict(request))
				}
			}
		})
		for range 1200 {
			f.check("app", secret)
			time.Sleep(100 * time.Millisecond)
		}
		if lines := strings.Count(f.log.String(), "\n"); lines > 6 {
			t.Errorf("%d lines in two minutes:\n%s", lines, f.log)
		}
	})
}

func TestTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(p *peer) { p.greet(); io.Copy(io.Discard, p) })
		var wg sync.WaitGroup
		for range maxWaiting {
			wg.Go(func() { f.wantTrouble(answerTime) })
		}
		synctest.Wait()
		f.wantTrouble(0)
		if log := f.log.String(); !strings.Contains(log, "256 logins wait for Dovecot already") {
			t.Errorf("log:\n%s", log)
		}
		wg.Wait()
		if log := f.log.String(); strings.Count(log, "\n") != 1 {
			t.Errorf("log:\n%s", log)
		}
	})
}

func TestAdvice(t *testing.T) {
	for err, says := range map[error]string{
		os.ErrNotExist: "does Dovecot run", syscall.ECONNREFUSED: "does Dovecot run", os.ErrPermission: "let the relay's user open it",
		io.ErrUnexpectedEOF: "unexpected EOF",
	} {
		if got := withAdvice(&net.OpError{Op: "dial", Net: "unix", Err: err}); !errors.Is(got, err) || !strings.Contains(got.Error(), says) {
			t.Errorf("%v, want %q", got, says)
		}
	}
}
