package submission

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// exchange is a command and the start of its reply.
type exchange struct{ command, reply string }

// Each row is a dialogue after EHLO.
func TestDialogue(t *testing.T) {
	long := strings.Repeat("x", maxCommandLine)
	for _, tc := range []struct {
		name   string
		script []exchange
	}{
		{"small commands", []exchange{
			{"NOOP", "250 2.0.0"},
			{"NOOP anything", "250 2.0.0"},
			{"VRFY b", "252 2.5.0"},
			{"VRFY", "501 5.5.4"},
			{"RSET", "250 2.0.0"},
			{"HELP", "214 2.0.0"},
			{"noop", "250"},
			{"NOOP ", "250"},
			{"QUIT", "221 2.0.0"},
		}},
		{"unknown", []exchange{
			{"XYZZY", "500 5.5.2"},
			{"", "500 5.5.2"},
			{"NOOPX", "500 5.5.2"},
			{"EXPN list", "502 5.5.1"},
		}},
		{"arguments too many", []exchange{
			{"RSET x", "501 5.5.4"},
			{"QUIT x", "501 5.5.4"},
			{"DATA x", "501 5.5.4"},
		}},
		{"control characters", []exchange{
			{"NO\x00OP", "501 5.5.2"},
			{"NOOP\x00", "501 5.5.2"},
			{"NOOP\r", "501 5.5.2"},
			{"EHLO a\x1b[1m", "501 5.5.2"},
			{"HELO a\tb", "501 5.5.2"},
		}},
		{"host names", []exchange{
			{"EHLO", "501 5.5.4"},
			{"EHLO a b", "501 5.5.4"},
			{"EHLO ü", "501 5.5.4"},
			{"EHLO " + long[:256], "501 5.5.4"},
			{"EHLO my_pc", "250-relay.test Hello my_pc"},
			{"EHLO [192.0.2.1]", "250"},
			{"HELO x", "250 relay.test\r\n"},
		}},
		{"long lines", []exchange{
			{"NOOP " + long, "500 5.5.2"},
			{"MAIL FROM:<" + long + "@x>", "500 5.5.2"},
			{"NOOP", "250"},
		}},
		{"sequence", []exchange{
			{"RCPT TO:<b@dest.test>", "503 5.5.1"},
			{"DATA", "503 5.5.1"},
			{"MAIL FROM:<a@app.test>", "250 2.1.0"},
			{"MAIL FROM:<c@app.test>", "503 5.5.1"},
			{"DATA", "503 5.5.1"},
			{"RSET", "250"},
			{"RCPT TO:<b@dest.test>", "503 5.5.1"},
		}},
		{"EHLO starts over", []exchange{
			{"MAIL FROM:<a@app.test>", "250"},
			{"EHLO x", "250"},
			{"RCPT TO:<b@dest.test>", "503 5.5.1"},
		}},
		{"sender addresses", []exchange{
			{"MAIL", "501 5.5.4"},
			{"MAIL FROM", "501 5.5.4"},
			{"MAIL TO:<a@b>", "501 5.5.4"},
			{"MAIL FROM:a@b", "501 5.1.7"},
			{"MAIL FROM:<a@b@c>", "501 5.1.7"},
			{"MAIL FROM:<a@b>x", "501 5.1.7"},
			{"MAIL FROM:<@us:v@ext>", "501 5.1.7"},
			{"MAIL FROM:<ü@x>", "553 5.6.7"},
			{"mail from: <a@b> ", "250 2.1.0"},
		}},
		{"null sender", []exchange{
			{"MAIL FROM:<>", "250 2.1.0"},
			{"RCPT TO:<b@dest.test>", "250 2.1.5"},
		}},
		{"recipient addresses", []exchange{
			{"MAIL FROM:<a@app.test>", "250"},
			{"RCPT", "501 5.5.4"},
			{"RCPT TO:", "501 5.1.3"},
			{"RCPT TO:<>", "501 5.1.3"},
			{"RCPT TO:<b>", "501 5.1.3"},
			{"RCPT TO:<a@b@c>", "501 5.1.3"},
			{"RCPT TO:<b@192.0.2.1>", "501 5.1.3"},
			{"RCPT TO:<@us:v@ext>", "501 5.1.3"},
			{"RCPT TO:<b@a+b.test>", "501 5.1.3"},
			{`RCPT TO:<"b c"@dest.test>`, "250 2.1.5"},
			{"RCPT TO:<Postmaster>", "250 2.1.5"},
			{"RCPT TO:<b@[192.0.2.1]>", "250 2.1.5"},
		}},
		{"after HELO no extensions", []exchange{
			{"HELO client.test", "250 relay.test\r\n"},
			{"MAIL FROM:<a@app.test> SIZE=1", "555 5.5.4"},
			{"MAIL FROM:<a@app.test>  ", "250"},
			{"RCPT TO:<b@dest.test> NOTIFY=NEVER", "555 5.5.4"},
			{"RCPT TO:<POSTMASTER>", "250"},
			{"EHLO client.test", "250"},
			{"MAIL FROM:<a@app.test> SIZE=1", "250"},
			{"RCPT TO:<postmaster> NOTIFY=NEVER", "250"},
			{"HELO client.test", "250"},
			{"MAIL FROM:<a@app.test> BODY=8BITMIME", "555 5.5.4"},
		}},
		{"sizes", []exchange{
			{"MAIL FROM:<a@app.test> SIZE=" + strings.Repeat("9", 40), "552 5.3.4"},
			{"MAIL FROM:<a@app.test> SIZE=18446744073709551616", "552 5.3.4"},
			{"MAIL FROM:<a@app.test> SIZE", "501 5.5.4"},
			{"MAIL FROM:<a@app.test> SIZE=1e3", "501 5.5.4"},
			{"MAIL FROM:<a@app.test> SIZE=1048577", "552 5.3.4"},
			{"MAIL FROM:<a@app.test> SIZE=99999999999999999999", "552 5.3.4"},
			{"MAIL FROM:<a@app.test> SIZE=4294967296", "552 5.3.4"},
			{"MAIL FROM:<a@app.test> SIZE=-1", "501 5.5.4"},
			{"MAIL FROM:<a@app.test> SIZE=", "501 5.5.4"},
			{"MAIL FROM:<a@app.test> SIZE=1048576", "250"},
		}},
		{"parameters", []exchange{
			{"MAIL FROM:<a@b> BODY=8bitmime AUTH=<> SIZE=1", "250"},
			{"RCPT TO:<b@c> SIZE=1", "555 5.5.4"},
			{"RSET", "250"},
			{"MAIL FROM:<a@b> SMTPUTF8=", "501 5.5.4"},
			{"MAIL FROM:<a@b> REQUIRETLS", "530 5.7.10"},
			{"MAIL FROM:<a@b> REQUIRETLS=1", "501 5.5.4"},
			{"MAIL FROM:<a@b> SMTPUTF8 SMTPUTF8", "501 5.5.4"},
			{"MAIL FROM:<a@b> XYZZY=1", "555 5.5.4"},
			{"MAIL FROM:<a@b> AUTH=a=b", "501 5.5.4"},
			{"MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4"},
			{"MAIL FROM:<a@b> SIZE=1 size=2", "501 5.5.4"},
			{"MAIL FROM:<a@b> AUTH", "501 5.5.4"},
		}},
		{"beyond ASCII without SMTPUTF8", []exchange{
			{"MAIL FROM:<a@bücher.example>", "553 5.6.7"},
			{`MAIL FROM:<"ü"@b>`, "553 5.6.7"},
			{"MAIL FROM:<a@xn--bcher-kva.example>", "250"},
			{"RCPT TO:<ü@b>", "553 5.6.7"},
			{"RCPT TO:<a@bücher.example>", "553 5.6.7"},
			{"RCPT TO:<b@c> ORCPT=utf-8;ü@c", "553 5.6.7"},
			{`RCPT TO:<b@c> ORCPT=utf-8;\x{FC}@c`, "250"},
			{"RCPT TO:<b@c> SMTPUTF8", "555 5.5.4"},
		}},
		{"beyond ASCII with SMTPUTF8", []exchange{
			{"MAIL FROM:<ü@bücher.example> smtputf8", "250"},
			{"RCPT TO:<ü@bücher.example> ORCPT=utf-8;ü@c", "250"},
			{"RCPT TO:<a\u202eb@c>", "501 5.1.3"},
			{"RCPT TO:<a\xffb@c>", "501 5.1.3"},
			{"RCPT TO:<ü>", "501 5.1.3"},
			{"RSET", "250"},
			{"MAIL FROM:<a@b>", "250"},
			{"RCPT TO:<ü@b>", "553 5.6.7"},
		}},
		{"DSN, the message", []exchange{
			{"MAIL FROM:<a@b> RET=ALL", "501 5.5.4 RET must"},
			{"MAIL FROM:<a@b> RET", "501 5.5.4"},
			{"MAIL FROM:<a@b> RET=FULL RET=FULL", "501 5.5.4"},
			{"MAIL FROM:<a@b> ENVID=", "501 5.5.4 ENVID must have a value"},
			{"MAIL FROM:<a@b> ENVID=a+0D+0ARCPT", "501 5.5.4 ENVID must be printable"},
			{"MAIL FROM:<a@b> ENVID=a+0d", "501 5.5.4 ENVID is not xtext"},
			{"MAIL FROM:<a@b> ENVID=" + strings.Repeat("x", 101), "501 5.5.4 ENVID is longer"},
			{"MAIL FROM:<a@b> NOTIFY=NEVER", "555 5.5.4"},
			{"MAIL FROM:<> ret=hdrs ENVID=" + strings.Repeat("x", 100), "250"},
		}},
		{"DSN, recipients", []exchange{
			{"MAIL FROM:<a@b>", "250"},
			{"RCPT TO:<b@c> NOTIFY=", "501 5.5.4"},
			{"RCPT TO:<b@c> NOTIFY=NEVER,DELAY", "501 5.5.4"},
			{"RCPT TO:<b@c> NOTIFY=SUCCESS,,DELAY", "501 5.5.4"},
			{"RCPT TO:<b@c> ORCPT=b@c", "501 5.5.4"},
			{"RCPT TO:<b@c> ORCPT=rfc822;b+0Ac@d", "501 5.5.4"},
			{"RCPT TO:<b@c> ORCPT=rfc822;" + strings.Repeat("x", 494), "501 5.5.4"},
			{"RCPT TO:<b@c> RET=FULL", "555 5.5.4"},
			{"RCPT TO:<b@c> NOTIFY=NEVER notify=NEVER", "501 5.5.4"},
			{"RCPT TO:<b@c> notify=success,failure,delay ORCPT=rfc822;" + strings.Repeat("x", 493), "250"},
		}},
		{"too many recipients", []exchange{
			{"MAIL FROM:<a@app.test>", "250"},
			{"RCPT TO:<1@x>", "250"},
			{"RCPT TO:<2@x>", "250"},
			{"RCPT TO:<3@x>", "250"},
			{"RCPT TO:<4@x>", "250"},
			{"RCPT TO:<5@x>", "250"},
			{"RCPT TO:<6@x>", "452 4.5.3"},
			{"RCPT TO:<1@x>", "250"},
			{"RCPT TO:<7@x>", "452 4.5.3"},
		}},
		{"AUTH in clear text", []exchange{
			{"AUTH PLAIN AGFwcABzZWNyZXQ=", "538 5.7.11"},
			{"AUTH LOGIN", "538 5.7.11"},
			{"NOOP", "250"},
		}},
		{"STARTTLS with more", []exchange{
			{"STARTTLSjunk", "501 5.5.4"},
			{"STARTTLS junk", "501 5.5.4"},
			{"NOOP", "250"},
		}},
		{"refused recipients do not end the connection", append([]exchange{{"MAIL FROM:<a@app.test>", "250"}},
			slices.Repeat([]exchange{{"RCPT TO:<b>", "501"}}, 30)...)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := start(t, open).dial()
			c.say("EHLO client.test", "250")
			for _, e := range tc.script {
				c.say(e.command, e.reply)
			}
		})
	}
}

func TestLineFeedAlone(t *testing.T) {
	c := start(t, open).dial()
	c.send("EHLO client.test\nNOOP\n\r\nNOOP\r\n")
	c.expect("500 5.5.2 A line must end in CR LF", "500 5.5.2", "500 5.5.2", "250 2.0.0")
}

// What must not go on is answered and cut off, and nothing behind it is run.
func TestCutOff(t *testing.T) {
	for _, tc := range []struct{ name, send, reply string }{
		{"BDAT", "BDAT 1000 LAST\r\nMAIL FROM:<a@b>\r\n", "502 5.5.1"},
		{"BDAT malformed", "BDAT 4294967296\r\nNOOP\r\n", "502 5.5.1"},
		{"HTTP", "POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\n", "421 4.7.0"},
		{"endless line", strings.Repeat("x", 2*maxAuthLine) + "\r\nNOOP\r\n", "500 5.5.2"},
		{"endless AUTH", "AUTH PLAIN " + strings.Repeat("A", 2*maxAuthLine) + "\r\nNOOP\r\n", "500 5.5.2"},
		{"STARTTLS injection", "STARTTLS\r\nRSET\r\n", "554 5.5.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := start(t, Listener{Address: "127.0.0.1:0", TLS: TLSStartTLS, Auth: AuthOptional}).dial()
			c.say("EHLO client.test", "250")
			c.send(tc.send)
			c.expect(tc.reply)
			c.expectEnd()
		})
	}
}

func TestTooManyErrors(t *testing.T) {
	r := start(t, open)
	c := r.dial()
	for range maxErrors {
		c.say("XYZZY", "500 5.5.2")
	}
	c.expect("421 4.7.0")
	c.expectEnd()
	r.stop()
	if n := strings.Count(r.log.String(), "\n"); n != 1 {
		t.Errorf("%d lines in the log, want one:\n%s", n, r.log)
	}
}

func TestTooManyCommands(t *testing.T) {
	c := start(t, open).dial()
	for range maxCommands + 2*5 {
		c.say("NOOP", "250")
	}
	c.say("NOOP", "421 4.7.0")
	c.expectEnd()
}

func TestHelloReply(t *testing.T) {
	want := "250-relay.test Hello client.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n%s" +
		"250-SIZE 1048576\r\n250-LIMITS RCPTMAX=5\r\n250 ENHANCEDSTATUSCODES\r\n"
	r := start(t, open)
	c := r.dial()
	if got := c.say("EHLO client.test", "250"); got != fmt.Sprintf(want, "250-STARTTLS\r\n") {
		t.Errorf("in clear text: %q", got)
	}
	c = r.dialTLS()
	if got := c.say("EHLO client.test", "250"); got != fmt.Sprintf(want, "250-AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n") {
		t.Errorf("in TLS: %q", got)
	}
	secure := start(t, open, func(o *Options) { o.RequireTLS = true })
	for want, c := range map[bool]*client{false: secure.dial(), true: secure.dialTLS()} {
		if got := c.say("EHLO client.test", "250"); strings.Contains(got, "REQUIRETLS") != want {
			t.Errorf("in TLS %v: %q", want, got)
		}
	}
	c = start(t, Listener{}).dial()
	if got := c.say("EHLO client.test", "250"); got != fmt.Sprintf(want, "") {
		t.Errorf("without TLS: %q", got)
	}
}

// A pipelined group is answered in one write.
func TestPipelining(t *testing.T) {
	r := start(t, open)
	c := r.dial()
	c.send("EHLO client.test\r\nMAIL FROM:<a@app.test>\r\nRCPT TO:<b@dest.test>\r\nRCPT TO:<bad>\r\nDATA\r\n")
	buf := make([]byte, 4096)
	n, err := c.conn.Read(buf)
	if err != nil || strings.Count(string(buf[:n]), "\r\n") != 9+4 {
		t.Fatalf("one read gives %q, %v", buf[:n], err)
	}
	go c.send("\r\nhello\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@dest.test>\r\nQUIT\r\n")
	c.expect("250 2.0.0 Ok: queued as ", "250 2.1.0", "250 2.1.5", "221")
	c.expectEnd()
	if mail := r.queue.take(); len(mail) != 1 {
		t.Errorf("%d messages", len(mail))
	}
}
