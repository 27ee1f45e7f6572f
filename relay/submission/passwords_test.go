package submission

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"tlsrelay/relay/submission/dovecot"
)

// fakeDovecot knows some passwords, and names in any case. The password "busy" makes trouble.
type fakeDovecot struct {
	users map[string]string // password by name in lower case

	mu    sync.Mutex
	asked []dovecot.Login
}

func (d *fakeDovecot) Check(_ context.Context, l dovecot.Login) (user string, ok bool, err error) {
	d.mu.Lock()
	d.asked = append(d.asked, l)
	d.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	if l.Password == "busy" {
		return "", false, dovecot.ErrUnavailable
	}
	name := strings.ToLower(l.Name)
	if p, found := d.users[name]; !found || p != l.Password {
		time.Sleep(2 * time.Second) // as Dovecot does
		return "", false, nil
	}
	return name, true, nil
}

// take gives the logins since the last call.
func (d *fakeDovecot) take() []dovecot.Login {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := d.asked
	d.asked = nil
	return asked
}

const customer = "shop@example.org"

func startWithDovecot(t *testing.T) (*rig, *fakeDovecot) {
	d := &fakeDovecot{users: map[string]string{customer: "shop-" + secret, account: "other-" + secret}}
	return start(t, submissionPort, func(o *Options) { o.Dovecot = d }), d
}

func TestDovecot(t *testing.T) {
	for name, script := range map[string][]string{
		"PLAIN":           {password(customer, "shop-"+secret), "235 2.7.0"},
		"PLAIN as itself": {"AUTH PLAIN " + b64(customer+"\x00"+customer+"\x00shop-"+secret), "235"},
		"in capitals":     {password("Shop@Example.ORG", "shop-"+secret), "235"},
		"LOGIN":           {"AUTH LOGIN", "334", b64(customer), "334", b64("shop-" + secret), "235"},
	} {
		t.Run(name, func(t *testing.T) {
			r, d := startWithDovecot(t)
			c := r.dialTLS()
			if hello := c.say("EHLO client.test", "250"); !strings.Contains(hello, "250-AUTH PLAIN LOGIN\r\n") {
				t.Errorf("%q", hello)
			}
			c.say("AUTH SCRAM-SHA-256", "504 5.5.4")
			for i := 0; i < len(script); i += 2 {
				c.say(script[i], script[i+1])
			}
			c.mail()
			c.send("\r\n.\r\n")
			c.expect("250")
			if m := r.queue.take()[0]; m.Account != customer || !strings.Contains(m.text, "with ESMTPSA") {
				t.Errorf("%+v", m)
			}
			asked := d.take()
			if len(asked) != 1 || asked[0].Client != netip.MustParseAddr("192.0.2.1") {
				t.Errorf("asked: %d times", len(asked))
			}
		})
	}
}

// An account of the relay's own is never one of Dovecot's, however the name is spelt.
func TestOwnAccountsHideDovecots(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, d := startWithDovecot(t)
		c := r.dialAuth()
		c.say(password(account, secret), "235")
		c = r.dialAuth()
		c.say(password(account, "other-"+secret), "535 5.7.8 Wrong user name or password")
		if asked := d.take(); len(asked) != 0 {
			t.Errorf("Dovecot is asked %d times", len(asked))
		}
		c.say(password(strings.ToUpper(account), "other-"+secret), "535 5.7.8 Wrong user name or password")
		c.say("MAIL FROM:<a@app.test>", "530")
		if asked := d.take(); len(asked) != 1 {
			t.Errorf("Dovecot is asked %d times", len(asked))
		}
		r.stop()
		if log := r.log.String(); !strings.Contains(log, "for Dovecot the user is another") {
			t.Errorf("log:\n%s", log)
		}
	})
}

// Whose account a name is, or whether it is one, does not show in the answer or its time.
func TestWrongPasswordsWithDovecot(t *testing.T) {
	inTime(t, func(t *testing.T) {
		for i, name := range []string{account, customer, "nobody", "no\tbody", ""} {
			r, _ := startWithDovecot(t)
			c := r.dialFrom(fmt.Sprint("192.0.2.", 10+i))
			for _, want := range []time.Duration{dovecotDelay, dovecotDelay, 4 * time.Second} {
				begin := time.Now()
				c.say(password(name, "wrong"), "535 5.7.8 Wrong user name or password\r\n")
				if took := time.Since(begin); took != want {
					t.Errorf("%q: a wrong password takes %v, want %v", name, took, want)
				}
			}
			c.expect("421 4.7.0")
			r.stop()
		}
	})
}

// To spell a name otherwise gives no more guesses.
func TestSpellingsAreOneAccount(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, d := startWithDovecot(t)
		for _, name := range []string{"SHOP@example.org", "sHOP@example.org", "ShOP@example.org", "ShoP@example.org", customer} {
			r.dialAuth().say(password(name, "guess"), "535 5.7.8")
		}
		d.take()
		for _, name := range []string{"shoP@example.org", customer} {
			r.dialAuth().say(password(name, "shop-"+secret), "454 4.7.0 Too many failed logins to this account from your address")
		}
		if asked := d.take(); len(asked) != 0 {
			t.Errorf("Dovecot is asked %d times", len(asked))
		}
		r.dialFrom("192.0.2.77").say(password(customer, "shop-"+secret), "235")
	})
}

// While Dovecot is out of reach its users are told to come again, which counts for nothing; the relay's own accounts work. It has
// logged that itself.
func TestDovecotIsAway(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r, _ := startWithDovecot(t)
		c := r.dialAuth()
		for range 25 {
			c.say(password(customer, "busy"), "454 4.7.0 Logins cannot be checked now, try again later")
		}
		c.say("AUTH LOGIN "+b64(customer), "334")
		c.say(b64("busy"), "454 4.7.0")
		c.say(password(account, secret), "235")
		r.dialAuth().say(password(customer, "shop-"+secret), "235")
		r.stop()
		if log := r.log.String(); strings.Contains(log, "cannot check a login") || strings.Contains(log, "login failed") {
			t.Errorf("log:\n%s", log)
		}
	})
}

// lostAccounts cannot be read.
type lostAccounts struct{ fakeAccounts }

func (lostAccounts) Has(string) (bool, error) { return false, io.ErrUnexpectedEOF }

// What may be an account of the relay's own is not asked of Dovecot.
func TestAccountsInTroubleWithDovecot(t *testing.T) {
	d := &fakeDovecot{users: map[string]string{customer: secret}}
	r := start(t, submissionPort, func(o *Options) { o.Dovecot, o.Accounts = d, lostAccounts{} })
	r.dialAuth().say(password(customer, secret), "454 4.7.0")
	r.stop()
	if asked := d.take(); len(asked) != 0 || !strings.Contains(r.log.String(), "cannot check a login") {
		t.Errorf("Dovecot is asked %d times; log:\n%s", len(asked), r.log)
	}
}
