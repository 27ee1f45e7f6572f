package submission

import (
	"strings"
	"testing"
)

// However many refusals a connection has, the log has a few of them and one line for the rest.
func TestRefusalsDoNotFloodTheLog(t *testing.T) {
	r := start(t, open)
	c := r.dial()
	c.say("EHLO client.test", "250")
	c.say("MAIL FROM:<a@app.test>", "250")
	for range 200 {
		c.say("RCPT TO:<bad>", "501")
	}
	c.say("RCPT TO:<b@dest.test>", "250")
	c.say("DATA", "354")
	c.send("a\x00b\r\n.\r\n")
	c.expect("554 5.6.0")
	c.say("QUIT", "221")
	c.expectEnd()
	r.stop()
	log := r.log.String()
	if n := strings.Count(log, "\n"); n != maxLoggedRefusals+1 {
		t.Errorf("%d lines:\n%s", n, log)
	}
	if !strings.Contains(log, `msg="refused more" client=192.0.2.1 account="" count=198`) {
		t.Errorf("no summary:\n%s", log)
	}
}

// A client that breaks the protocol in the middle of mail gets a few lines and is cut off with one that counts.
func TestCutOffCounts(t *testing.T) {
	r := start(t, open)
	c := r.dial()
	c.say("EHLO client.test", "250")
	for range maxErrors {
		c.say("MAIL FROM:<a@b@c>", "501 5.1.7")
	}
	c.expect("421 4.7.0 Too many errors")
	c.expectEnd()
	r.stop()
	log := r.log.String()
	if n := strings.Count(log, "\n"); n != maxLoggedRefusals+1 || !strings.Contains(log, "errors=10 unlogged=7") {
		t.Errorf("%d lines:\n%s", n, log)
	}
}
