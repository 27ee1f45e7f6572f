package submission

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// foreignRecipients are ways to name a mailbox elsewhere that made some relay pass mail on to it. Some take relay.test
// for a domain that this host is the MX of, some its address.
var foreignRecipients = []string{
	"<v@ext.test>", "<v%ext.test@relay.test>", "<v%ext.test>", `<"v@ext.test"@relay.test>`, `<"v@ext.test">`,
	`<"v%ext.test"@relay.test>`, `<v\@ext.test@relay.test>`, "<@relay.test:v@ext.test>", "<@relay.test,@ext.test:v@ext.test>",
	"<ext.test!v>", "<ext.test!v@relay.test>", "<relay.test!ext.test!v>", "<relay.test!v@ext.test>", "<v@[198.51.100.7]>",
	"<v@[IPv6:2001:db8::7]>", "<v%ext.test@[192.0.2.25]>", "<v@ext.test@relay.test>", "<v@relay.test@ext.test>", "<v@ext.test.>",
	"<v@localhost>", "<v%ext.test@localhost>", "<v%ext.test@>", "<v>", "<>", "<postmaster>", "<postmaster@relay.test>",
	"v@ext.test", "<<v@ext.test>>", "< v@ext.test >", "<v@ext.test> NOTIFY=NEVER", "<v@ext.test>, <w@ext.test>",
	"<v@ext.test;w@ext.test>", `<"v>"@ext.test>`, "<v@EXT.test>", "<v(comment)@ext.test>", "<v@ext.test\x00@relay.test>",
	"<v@ext.test\r>",
}

// ownSenders are senders that made some relay believe that the mail is its own.
var ownSenders = []string{
	"<>", "<x@relay.test>", "<x@localhost>", "<x@[127.0.0.1]>", "<x@[192.0.2.25]>", "<x@[192.0.2.1]>", "<x>", "<@relay.test:x@ext.test>",
	"<postmaster@relay.test>", "<app@example.org>", "<x@relay.test> AUTH=app@example.org", "<x@ext.test>",
}

// A client that may not relay gets nothing accepted, however it names sender and recipient, and whatever it tried to
// become somebody else.
func TestOpenRelay(t *testing.T) {
	testCertificate()
	other := networks("198.51.100.0/24")
	for name, on := range map[string]Listener{
		"other network":           {TLS: TLSStartTLS, Networks: other},
		"no network":              {TLS: TLSStartTLS},
		"no TLS":                  {Networks: other},
		"login possible":          {TLS: TLSStartTLS, Auth: AuthOptional, Networks: other},
		"login required of all":   {TLS: TLSStartTLS, Auth: AuthRequired, Networks: networks("0.0.0.0/0")},
		"login required of IPv6s": {TLS: TLSStartTLS, Auth: AuthOptional, Networks: networks("::/0")},
	} {
		for _, inTLS := range []bool{false, true} {
			if inTLS && on.TLS == TLSOff {
				continue
			}
			t.Run(fmt.Sprintf("%s, TLS %v", name, inTLS), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { // a failed login takes a second
					tryToRelay(start(t, on), inTLS)
				})
			})
		}
	}
}

// tryToRelay takes a connection for each attempt: too many errors end one.
func tryToRelay(r *rig, inTLS bool) {
	for i, to := range foreignRecipients {
		from := ownSenders[i%len(ownSenders)]
		c := r.dialAs(inTLS)
		c.refused("MAIL FROM:" + from)
		c.refused("RCPT TO:" + to)
		c.refused("DATA")
		c.say("RSET", "250")
		c.refused("AUTH PLAIN " + b64("\x00"+account+"\x00guess"))
		c.refused("MAIL FROM:" + from)
		c.refused("RCPT TO:" + to)
		c.conn.Close()
		time.Sleep(15 * time.Minute) // the wrong password is forgotten, the place of the connection free
	}
	if mail := r.queue.take(); len(mail) != 0 {
		r.t.Errorf("%d messages: %+v", len(mail), mail)
	}
}

// dialAs gives a connection behind EHLO, in clear text or TLS.
func (r *rig) dialAs(inTLS bool) *client {
	r.t.Helper()
	if inTLS {
		return r.dialAuth()
	}
	c := r.dial()
	c.say("EHLO relay.test", "250")
	return c
}

// refused sends a command that must be refused for good, with an enhanced status code.
func (c *client) refused(command string) {
	c.t.Helper()
	c.send(command + "\r\n")
	got, err := c.reply()
	if err != nil || !strings.HasPrefix(got, "5") || !strings.HasPrefix(got[3:], " 5.") {
		c.t.Fatalf("%q is answered by %q, %v", command, got, err)
	}
}

// A client that may relay reaches exactly the mailbox that it names: no part of an address is taken for a way on.
func TestNoRouteInAddress(t *testing.T) {
	for to, want := range map[string]string{ // "": refused
		"<v%ext.test@relay.test>": "v%ext.test@relay.test", `<"v@ext.test"@relay.test>`: `"v@ext.test"@relay.test`,
		"<ext.test!v@relay.test>": "ext.test!v@relay.test", "<v@[198.51.100.7]>": "v@[198.51.100.7]",
		"<@relay.test:v@ext.test>": "", "<ext.test!v>": "", "<v%ext.test>": "", "<v@ext.test@relay.test>": "",
		`<v\@ext.test@relay.test>`: "", "v@ext.test": "", "<>": "", "<v@ext.test>, <w@ext.test>": "",
	} {
		r := start(t, open)
		c := r.dialAs(false)
		c.say("MAIL FROM:<a@app.test>", "250")
		if want == "" {
			c.refused("RCPT TO:" + to)
			continue
		}
		c.say("RCPT TO:"+to, "250")
		c.say("DATA", "354")
		c.send("\r\n.\r\n")
		c.expect("250")
		mail := r.queue.take()
		if len(mail) != 1 || len(mail[0].Recipients) != 1 || mail[0].Recipients[0].Address != want {
			t.Errorf("%s became %+v", to, mail)
		} else if at := strings.LastIndex(want, "@"); mail[0].Recipients[0].Destination != want[at+1:] {
			t.Errorf("%s goes to %s", to, mail[0].Recipients[0].Destination)
		}
	}
}
