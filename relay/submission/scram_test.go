package submission

import (
	"crypto/tls"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// scramLogin logs in with SCRAM as far as the server lets it, and gives the last reply. bind is nil for a client that
// cannot bind.
func (c *client) scramLogin(mechanism, name, password, authzID string, bind func(*scram.Client) *scram.ClientConversation) string {
	c.t.Helper()
	sc, err := scram.SHA256.NewClient(name, password, authzID)
	if err != nil {
		c.t.Fatal(err)
	}
	conversation := sc.NewConversation()
	if bind != nil {
		conversation = bind(sc)
	}
	said, _ := conversation.Step("")
	c.send("AUTH " + mechanism + " " + b64(said) + "\r\n")
	for {
		reply, err := c.reply()
		if err != nil {
			c.t.Fatal(err)
		}
		text, found := strings.CutPrefix(strings.TrimSpace(reply), "334 ")
		if !found {
			if strings.HasPrefix(reply, "235") && !conversation.Valid() {
				c.t.Error("the server did not prove that it knows the password")
			}
			return reply
		}
		challenge, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			c.t.Fatalf("%q: %v", reply, err)
		}
		said, err := conversation.Step(string(challenge))
		if err != nil {
			c.t.Fatalf("%q: %v", challenge, err)
		}
		c.send(b64(said) + "\r\n")
	}
}

// exporter binds to the client's end of the TLS connection.
func (c *client) exporter() func(*scram.Client) *scram.ClientConversation {
	state := c.conn.(*tls.Conn).ConnectionState()
	binding, err := scram.NewTLSExporterBinding(&state)
	if err != nil {
		c.t.Fatal(err)
	}
	return func(sc *scram.Client) *scram.ClientConversation { return sc.NewConversationWithChannelBinding(binding) }
}

func TestSCRAM(t *testing.T) {
	r := start(t, submissionPort)
	for _, tc := range []struct {
		mechanism, authzID string
		bind               bool
	}{{scram256, "", false}, {scram256, account, false}, {scramPlus, "", true}, {scramPlus, account, true}} {
		c := r.dialAuth()
		var bind func(*scram.Client) *scram.ClientConversation
		if tc.bind {
			bind = c.exporter()
		}
		if got := c.scramLogin(tc.mechanism, account, secret, tc.authzID, bind); got != "235 2.7.0 Logged in\r\n" {
			t.Fatalf("%+v: %q", tc, got)
		}
		c.mail()
		c.send("\r\n.\r\n")
		c.expect("250")
		if m := r.queue.take()[0]; m.Account != account {
			t.Errorf("%+v", m)
		}
	}
	// Without an initial response, as many clients do it.
	c := r.dialAuth()
	c.say("AUTH SCRAM-SHA-256", "334 \r\n")
	c.say(b64("n,,n="+account+",r=abc"), "334 ")
}

func TestSCRAMRefuses(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, submissionPort)
		wrong := "535 5.7.8 Wrong user name or password\r\n"
		for _, tc := range []struct{ name, password, authzID, want string }{
			{account, "wrong", "", wrong},
			{"nobody", secret, "", wrong},
			{account, secret, "root", wrong},
			{"trouble", secret, "", "454 4.7.0 Logins cannot be checked now, try again later\r\n"},
		} {
			c := r.dialAuth()
			if got := c.scramLogin(scram256, tc.name, tc.password, tc.authzID, nil); got != tc.want {
				t.Errorf("%+v: %q", tc, got)
			}
			c.say("MAIL FROM:<a@app.test>", "530 5.7.0")
		}
		c := r.dialAuth()
		for _, first := range []string{"", "x", "n,,n=" + account, "n,,n==,r=x", "p=tls-unique,,n=a,r=x", "p=x,,n=a,r=x", "y,,n=a,r=x",
			"n,,m=x,n=a,r=x"} {
			c.say("AUTH SCRAM-SHA-256", "334 \r\n")
			c.say(b64(first), "501 5.5.2 The first response is not")
		}
		c.say("AUTH SCRAM-SHA-256-PLUS "+b64("n,,n="+account+",r=x"), "501 5.5.2") // not bound
	})
}

// A proof made for another TLS connection is worth nothing here.
func TestSCRAMIsBound(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, submissionPort)
		other := r.dialAuth().exporter()
		if got := r.dialAuth().scramLogin(scramPlus, account, secret, "", other); !strings.HasPrefix(got, "535 5.7.8") {
			t.Errorf("%q", got)
		}
	})
}

// A client is logged in only after it has taken the server's proof.
func TestSCRAMNeedsTheLastStep(t *testing.T) {
	for end, reply := range map[string]string{"*": "501 5.7.0", b64("more"): "501 5.5.2"} {
		c := start(t, submissionPort).dialAuth()
		sc, _ := scram.SHA256.NewClient(account, secret, "")
		conversation := sc.NewConversation()
		first, _ := conversation.Step("")
		challenge := strings.TrimSpace(strings.TrimPrefix(c.say("AUTH SCRAM-SHA-256 "+b64(first), "334 "), "334 "))
		text, _ := base64.StdEncoding.DecodeString(challenge)
		proof, err := conversation.Step(string(text))
		if err != nil {
			t.Fatal(err)
		}
		c.say(b64(proof), "334 ")
		c.say(end, reply)
		c.say("MAIL FROM:<a@app.test>", "530 5.7.0")
	}
}

// passwordsOnly has accounts some of which came from another system.
type passwordsOnly struct{ fakeAccounts }

func (passwordsOnly) SCRAM() bool { return false }

func TestMechanismsOffered(t *testing.T) {
	for _, tc := range []struct {
		accounts Accounts
		version  uint16
		want     string
	}{
		{fakeAccounts{}, tls.VersionTLS13, "250-AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n"},
		{fakeAccounts{}, tls.VersionTLS12, "250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n"},
		{passwordsOnly{}, tls.VersionTLS13, "250-AUTH PLAIN LOGIN\r\n"},
	} {
		c := start(t, submissionPort, func(o *Options) {
			o.Accounts = tc.accounts
			o.TLSConfig.MaxVersion = tc.version
		}).dialTLS()
		if got := c.say("EHLO client.test", "250"); !strings.Contains(got, tc.want) {
			t.Errorf("%q, want %q", got, tc.want)
		}
		if _, mixed := tc.accounts.(passwordsOnly); mixed {
			c.say("AUTH SCRAM-SHA-256", "504 5.5.4 The mechanism is not available: use PLAIN or LOGIN")
		} else if tc.version == tls.VersionTLS12 { // a client that could bind, and is told that it cannot
			if got := c.scramLogin(scram256, account, secret, "", (*scram.Client).NewConversationAdvertisingChannelBinding); !strings.HasPrefix(got, "235") {
				t.Errorf("%q", got)
			}
		}
	}
}
