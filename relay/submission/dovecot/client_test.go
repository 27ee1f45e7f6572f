package dovecot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, answering)
		for range 3 {
			f.wantRight()
			if user, ok, err := f.check("app", "wrong"); user != "" || ok || err != nil {
				t.Errorf("a wrong login: %q, %v, %v", user, ok, err)
			}
		}
		if f.dials != 1 || f.log.String() != "" {
			t.Errorf("%d connections, log:\n%s", f.dials, f.log)
		}
	})
}

// What cannot be a login is not sent: a NUL would make one of another name and password of it.
func TestNotSent(t *testing.T) {
	f := newFake(t, func(*peer) { t.Error("Dovecot is asked") })
	for _, l := range []Login{
		{Name: "", Password: secret}, {Name: "app", Password: ""}, {Name: "app\x00guess", Password: secret},
		{Name: "app", Password: "x\x00y"}, {Name: "a\tb", Password: secret}, {Name: "a\nb", Password: secret}, {Name: "a\xff", Password: secret},
		{Name: "\u202eapp", Password: secret}, {Name: " app", Password: secret},
		{Name: strings.Repeat("n", 256), Password: secret}, {Name: "app", Password: strings.Repeat("p", 1025)},
	} {
		if user, ok, err := f.client.Check(t.Context(), l); user != "" || ok || err != nil {
			t.Errorf("%.20q, %.20q: %q, %v, %v", l.Name, l.Password, user, ok, err)
		}
	}
}

func TestRequest(t *testing.T) {
	for _, tc := range []struct {
		login Login
		want  string
	}{
		{Login{Name: "app", Password: "p"}, "AUTH\t7\tPLAIN\tservice=smtp\tsecured\tno-penalty\tnologin\tresp=AGFwcABw\n"},
		{Login{"app", "p", netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("fe80::1%eth0")},
			"AUTH\t7\tPLAIN\tservice=smtp\tsecured\tno-penalty\trip=192.0.2.1\tlip=fe80::1\tnologin\tresp=AGFwcABw\n"},
		{Login{Name: "app", Password: "a\tb\nresp=x"}, "AUTH\t7\tPLAIN\tservice=smtp\tsecured\tno-penalty\tnologin\tresp=AGFwcABhCWIKcmVzcD14\n"},
	} {
		if got := tc.login.request(7); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

func TestNo(t *testing.T) {
	for _, answer := range []string{"FAIL\t1", "FAIL\t1\tuser=app", "FAIL\t1\tuser=app\tcode=authz_fail", "FAIL\t1\tauthz",
		"FAIL\t1\tcode=user_disabled", "FAIL\t1\tuser=temp", "OK\t1\tuser=app\tnologin", "OK\t1\tuser=app\tnologin=y\treason=closed"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(p *peer) { p.greet(); p.read(); p.say(answer + "\n"); p.read() })
			if user, ok, err := f.check("app", secret); user != "" || ok || err != nil {
				t.Errorf("%q: %q, %v, %v", answer, user, ok, err)
			}
		})
	}
}

// Many logins at once share a connection, and each gets its own answer, in whatever order they come.
func TestOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 50
		f := newFake(t, func(p *peer) {
			p.greet()
			var requests [][]string
			for range n {
				requests = append(requests, p.read())
			}
			for i := range requests {
				p.say("CUID\t1\n" + verdict(requests[n-1-i]))
			}
			p.read()
		})
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				name, password := fmt.Sprintf("app%d", i), secret
				if i%3 == 0 {
					password = "wrong"
				}
				user, ok, err := f.check(name, password)
				if ok != (i%3 != 0) || ok && user != strings.ToUpper(name) || err != nil {
					t.Errorf("%s: %q, %v, %v", name, user, ok, err)
				}
			})
		}
		wg.Wait()
		if f.dials != 1 {
			t.Errorf("%d connections", f.dials)
		}
	})
}

// When Dovecot restarts, logins notice nothing, unless it stays away.
func TestRestart(t *testing.T) {
	once := func(p *peer) { p.greet(); p.say(verdict(p.read())) }
	midway := func(p *peer) { p.greet(); p.say(verdict(p.read())); p.read() } // it ends with a request unanswered
	for name, serve := range map[string][]func(*peer){"between logins": {once, once, answering}, "in a login": {midway, midway, answering}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, serve...)
				for range 5 {
					f.wantRight()
					time.Sleep(time.Second)
				}
				if f.log.String() != "" || f.dials != 3 {
					t.Errorf("%d connections, log:\n%s", f.dials, f.log)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, once, nil, nil, answering)
		f.wantRight()
		time.Sleep(time.Second)
		f.wantTrouble(0)
		f.wantTrouble(0)
		f.wantRight()
	})
}

// A connection ends after a while, also when nobody asks any more; a request under way on an old one is still answered.
func TestConnectionsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(p *peer) {
			p.greet()
			for request := p.read(); request != nil; request = p.read() {
				time.Sleep(linkAge / 3)
				p.say(verdict(request))
			}
		}
		f := newFake(t, slow, answering)
		f.wantRight()
		time.Sleep(linkAge/2 + 1)
		var wg sync.WaitGroup
		wg.Go(f.wantRight)
		time.Sleep(linkAge/6 + 1)
		if open := f.connections(); open != 1 {
			t.Errorf("%d connections are open with a request under way", open)
		}
		f.wantRight() // by a second one
		wg.Wait()
		if open := f.connections(); f.dials != 2 || open != 1 || f.log.String() != "" {
			t.Errorf("%d connections, %d open, log:\n%s", f.dials, open, f.log)
		}
		time.Sleep(linkAge)
		if open := f.connections(); open != 0 {
			t.Errorf("%d connections stay open", open)
		}
	})
}

// A request that is not answered does not take those beside it along, nor delay them.
func TestOneIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(p *peer) {
			p.greet()
			p.read() // the first one stays without an answer
			for request := p.read(); request != nil; request = p.read() {
				time.Sleep(time.Second)
				p.say(verdict(request))
			}
		}, answering)
		var wg sync.WaitGroup
		wg.Go(func() { f.wantTrouble(answerTime) })
		synctest.Wait()
		for range 2 {
			begin := time.Now()
			f.wantRight()
			if took := time.Since(begin); took != time.Second {
				t.Errorf("that took %v", took)
			}
		}
		wg.Wait()
		begin := time.Now()
		f.wantRight()
		if f.dials != 2 || time.Since(begin) != 0 {
			t.Errorf("%d connections, the last login took %v", f.dials, time.Since(begin))
		}
	})
}

// Close ends what waits, whatever it waits for, and there is no further connection.
func TestClose(t *testing.T) {
	for name, serve := range map[string]func(*peer){
		"an answer": func(p *peer) { p.greet(); io.Copy(io.Discard, p) }, "the greeting": func(p *peer) { io.Copy(io.Discard, p) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, serve)
				var wg sync.WaitGroup
				wg.Go(func() { f.wantTrouble(time.Second) })
				time.Sleep(time.Second)
				f.client.Close()
				wg.Wait()
				f.wantTrouble(0)
				if f.dials != 1 || f.log.String() != "" {
					t.Errorf("%d connections, log:\n%s", f.dials, f.log)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // the one who asks gives up
		f := newFake(t, func(p *peer) { p.greet(); io.Copy(io.Discard, p) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, ok, err := f.client.Check(ctx, Login{Name: "app", Password: secret}); ok || err != ErrUnavailable || f.log.String() != "" {
			t.Errorf("%v, %v, log:\n%s", ok, err, f.log)
		}
	})
}

// A real socket, which is missing at first.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth-client")
	log := &logText{}
	c := New(path, slog.New(slog.NewTextHandler(log, nil)))
	defer c.Close()
	if _, _, err := c.Check(t.Context(), Login{Name: "app", Password: secret}); !errors.Is(err, ErrUnavailable) || !strings.Contains(log.String(), path) {
		t.Errorf("%v, log:\n%s", err, log)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err == nil {
			answering(&peer{conn, bufio.NewReader(conn)})
			conn.Close()
		}
	}()
	if user, ok, err := c.Check(t.Context(), Login{Name: "app", Password: secret}); user != "APP" || !ok || err != nil {
		t.Errorf("%q, %v, %v", user, ok, err)
	}
	c.Close()
	l.Close()
	<-served
}
