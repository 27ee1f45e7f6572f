package submission

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tlsrelay/relay/submission/guess"
)

// countingAccounts counts the passwords that are checked.
type countingAccounts struct {
	fakeAccounts
	checked atomic.Int32
}

func (c *countingAccounts) Verify(name, password string) (bool, error) {
	c.checked.Add(1)
	return c.fakeAccounts.Verify(name, password)
}

// dialFrom is dialAuth for a client at another address.
func (r *rig) dialFrom(address string) *client {
	r.t.Helper()
	end, server := net.Pipe()
	r.pipe.conns <- fromConn{server, address}
	c := newClient(r.t, end)
	c.expect("220")
	c.say("EHLO client.test", "250")
	c.say("STARTTLS", "220 2.0.0")
	c.handshake()
	c.say("EHLO client.test", "250")
	return c
}

type fromConn struct {
	net.Conn
	address string
}

func (c fromConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.address), Port: 1024} }

func password(name, password string) string { return "AUTH PLAIN " + b64("\x00"+name+"\x00"+password) }

// Each wrong password costs more time, the third the connection.
func TestFailedLogins(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, submissionPort)
		c := r.dialAuth()
		for i := range maxFailedLogins {
			begin := time.Now()
			c.say(password(account, "guess"), "535 5.7.8")
			if took := time.Since(begin); took != time.Second<<i {
				t.Errorf("guess %d took %v", i+1, took)
			}
		}
		c.expect("421 4.7.0")
		c.expectEnd()
		r.stop()
		if n := strings.Count(r.log.String(), `msg="login failed" client=192.0.2.1 account=`+account); n != maxFailedLogins {
			t.Errorf("%d failures are logged:\n%s", n, r.log)
		}
	})
}

// After five guesses an address is not asked for this account any more: whatever its password, nothing is checked, and
// one line is logged. Its owner logs in from elsewhere, and other accounts from there.
func TestGuessingIsBlocked(t *testing.T) {
	inTime(t, func(t *testing.T) {
		accounts := &countingAccounts{}
		r := start(t, submissionPort, func(o *Options) { o.Accounts = accounts })
		c := r.dialAuth()
		for i := range 5 {
			if i == maxFailedLogins {
				c = r.dialAuth()
			}
			c.say(password(account, "guess"), "535 5.7.8")
		}
		lifts := time.Now().Add(15 * time.Minute)
		c = r.dialAuth()
		for _, p := range []string{"guess", secret, secret} {
			begin := time.Now()
			got := c.say(password(account, p), "454 4.7.0 Too many failed logins to this account from your address, try again after ")
			if time.Since(begin) != 0 {
				t.Error("the refusal takes time")
			}
			checkLifts(t, got, lifts)
		}
		c.expect("421 4.7.0")
		c.expectEnd()
		if n := accounts.checked.Load(); n != 5 {
			t.Errorf("%d passwords were checked", n)
		}
		r.dialAuth().say(password("other", "guess"), "535 5.7.8")
		r.dialFrom("192.0.2.77").say(password(account, secret), "235")
		time.Sleep(15 * time.Minute)
		r.dialAuth().say(password(account, secret), "235")
		r.stop()
		log := r.log.String()
		if strings.Count(log, "logins blocked") != 1 || strings.Count(log, "login failed") != 6 || strings.Count(log, "cut off") != 1 {
			t.Errorf("log:\n%s", log)
		}
	})
}

// checkLifts wants the time in a refusal to be a minute in which the block is over.
func checkLifts(t *testing.T, reply string, lifts time.Time) {
	t.Helper()
	_, text, _ := strings.Cut(strings.TrimSpace(reply), "try again after ")
	told, err := time.ParseInLocation("15:04 MST", text, time.Local)
	if err != nil {
		t.Fatalf("%q: %v", reply, err)
	}
	told = time.Date(lifts.Year(), lifts.Month(), lifts.Day(), told.Hour(), told.Minute(), 0, 0, time.Local)
	if late := told.Sub(lifts); late < 0 || late >= time.Minute {
		t.Errorf("%q is %v after the block lifts", reply, late)
	}
}

func TestBlockedReply(t *testing.T) {
	begin := time.Date(2026, 1, 2, 14, 4, 0, 0, time.FixedZone("CET", 3600))
	for after, want := range map[time.Duration]string{0: "14:04 CET", 1: "14:05 CET", time.Minute: "14:05 CET"} {
		s := &session{guard: &guard{}}
		got := s.blocked(&guess.Block{Scope: guess.Account, Until: begin.Add(after)})
		if want = "Too many failed logins to this account, try again after " + want; got.Message != want || got.Code != 454 {
			t.Errorf("%d %s, want %s", got.Code, got.Message, want)
		}
	}
}

func TestAddressIsBlocked(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, submissionPort)
		var c *client
		for i := range 20 {
			if i%maxFailedLogins == 0 {
				c = r.dialAuth()
			}
			c.say(password(fmt.Sprintf("name%d", i), secret), "535 5.7.8")
		}
		r.dialAuth().say(password(account, secret), "454 4.7.0 Too many failed logins from your address, try again after ")
		r.dialFrom("192.0.2.77").say(password(account, secret), "235")
		r.stop()
		if log := r.log.String(); strings.Count(log, "logins blocked") != 1 || strings.Contains(log, "name1") {
			t.Errorf("log:\n%s", log)
		}
	})
}

// A network of the operator's own is not blocked as a whole.
func TestListedNetworkIsNotBlocked(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, open)
		var c *client
		for i := range 24 {
			if i%maxFailedLogins == 0 {
				c = r.dialAuth()
			}
			c.say(password(fmt.Sprintf("name%d", i), secret), "535 5.7.8")
		}
		r.dialAuth().say(password(account, secret), "235")
	})
}

// A login that cannot be checked is no failed one.
func TestTroubleIsNotCounted(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := start(t, submissionPort).dialAuth()
		for range 30 {
			c.say(password("trouble", secret), "454 4.7.0 Logins cannot")
		}
		c.say(password(account, secret), "235")
	})
}
