package submission

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// dialAuth is at the point where AUTH is possible.
func (r *rig) dialAuth() *client {
	r.t.Helper()
	c := r.dialTLS()
	c.say("EHLO client.test", "250")
	return c
}

var submissionPort = Listener{TLS: TLSStartTLS, Auth: AuthRequired}

func TestAuth(t *testing.T) {
	good := b64("\x00" + account + "\x00" + secret)
	for _, tc := range []struct {
		name   string
		script []string
	}{
		{"PLAIN at once", []string{"AUTH PLAIN " + good, "235 2.7.0"}},
		{"PLAIN in two steps", []string{"auth plain", "334 \r\n", good, "235 2.7.0"}},
		{"PLAIN as oneself", []string{"AUTH PLAIN " + b64(account+"\x00"+account+"\x00"+secret), "235"}},
		{"LOGIN", []string{"AUTH LOGIN",
			"334 " + b64("Username:"), b64(account), "334 " + b64("Password:"), b64(secret), "235 2.7.0"}},
		{"LOGIN with the name at once",
			[]string{"AUTH LOGIN " + b64(account), "334 " + b64("Password:"), b64(secret), "235"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := start(t, submissionPort)
			c := r.dialAuth()
			c.say("MAIL FROM:<a@app.test>", "530 5.7.0")
			for i := 0; i < len(tc.script); i += 2 {
				c.say(tc.script[i], tc.script[i+1])
			}
			c.say("AUTH PLAIN "+good, "503 5.5.1")
			c.say("EHLO again.test", "250")
			c.mail()
			c.send("\r\n.\r\n")
			c.expect("250")
			m := r.queue.take()[0]
			logged := strings.Contains(r.log.String(), "account="+account)
			if m.Account != account || !strings.Contains(m.text, "with ESMTPSA") || !logged {
				t.Errorf("%+v\n%s", m, r.log)
			}
		})
	}
}

func TestAuthRefuses(t *testing.T) {
	testCertificate()
	for _, tc := range []struct {
		name   string
		script []string
	}{
		{"wrong password", []string{"AUTH PLAIN " + b64("\x00"+account+"\x00wrong"), "535 5.7.8"}},
		{"unknown account", []string{"AUTH PLAIN " + b64("\x00nobody\x00"+secret), "535 5.7.8"}},
		{"for another account", []string{"AUTH PLAIN " + b64("root\x00"+account+"\x00"+secret), "535 5.7.8"}},
		{"nothing", []string{"AUTH PLAIN " + b64("\x00\x00"), "535 5.7.8", "AUTH LOGIN =", "334", "", "535 5.7.8"}},
		{"wrong in LOGIN", []string{"AUTH LOGIN", "334", b64(account), "334", b64("wrong"), "535 5.7.8"}},
		{"accounts in trouble", []string{"AUTH PLAIN " + b64("\x00trouble\x00"+secret), "454 4.7.0 Logins"}},
		{"malformed PLAIN", []string{"AUTH PLAIN " + b64(account), "501 5.5.2 The response is not", "AUTH PLAIN =",
			"501 5.5.2"}},
		{"not base64", []string{"AUTH PLAIN ***", "501 5.5.2", "AUTH PLAIN", "334", "&&&", "501 5.5.2 The response must",
			"AUTH LOGIN", "334", b64(account), "334", "a\x00b", "501 5.5.2 A command"}},
		{"cancelled", []string{"AUTH PLAIN", "334", "*", "501 5.7.0", "AUTH LOGIN", "334", "*", "501"}},
		{"syntax", []string{"AUTH", "501 5.5.4", "AUTH PLAIN x y", "501 5.5.4", "AUTH CRAM-MD5", "504 5.5.4"}},
		{"over-long", []string{"AUTH PLAIN", "334", strings.Repeat("A", maxCommandLine+400), "501 5.5.2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // failures take a second
				r := start(t, submissionPort)
				c := r.dialAuth()
				for i := 0; i < len(tc.script); i += 2 {
					c.say(tc.script[i], tc.script[i+1])
				}
				c.say("MAIL FROM:<a@app.test>", "530 5.7.0")
			})
		})
	}
}

func TestAuthOutOfPlace(t *testing.T) {
	good := "AUTH PLAIN " + b64("\x00"+account+"\x00"+secret)
	c := start(t, Listener{TLS: TLSStartTLS}).dialTLS()
	c.say("EHLO client.test", "250")
	c.say(good, "502 5.5.1")
	c = start(t, open).dialTLS()
	c.say(good, "503 5.5.1 Say EHLO")
	c.say("EHLO client.test", "250")
	c.say("MAIL FROM:<a@app.test>", "250")
	c.say(good, "503 5.5.1")
}
