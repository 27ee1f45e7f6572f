package submission

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/queue"
)

func TestAccepted(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	r := start(t, open, func(o *Options) { o.Now, o.Recipients = func() time.Time { return now }, 10 })
	c := r.dialTLS()
	c.say("EHLO client.test", "250")
	c.say("MAIL FROM:<A@App.test> BODY=8BITMIME SIZE=100 RET=HDRS ENVID=Q+2B1 SMTPUTF8 REQUIRETLS", "250")
	recipients := []string{
		"b@Dest.test", "b@dest.TEST", `"b"@dest.test`, `"x>y z"@dest.test`, "u@bücher.example", "Postmaster",
	}
	for _, to := range recipients {
		c.say("RCPT TO:<"+to+">", "250 2.1.5")
	}
	c.say("RCPT TO:<d@dest.test> ORCPT=rfc822;d+2Be@old.test NOTIFY=SUCCESS,FAILURE", "250 2.1.5")
	c.say("RCPT TO:<D@dest.test> NOTIFY=NEVER", "250 2.1.5") // another mailbox, as far as we know
	c.say("RCPT TO:<d@dest.test> NOTIFY=NEVER", "250 2.1.5") // twice: what was said first counts
	c.say("DATA", "354")
	c.send("Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\nhello\r\n.\r\n")
	reply := c.expect("250 2.0.0 Ok: queued as ")
	c.say("QUIT", "221")
	c.expectEnd()
	r.stop()

	mail := r.queue.take()
	if len(mail) != 1 {
		t.Fatalf("%d messages", len(mail))
	}
	m := mail[0]
	recipient := func(address, destination string) queue.Recipient {
		return queue.Recipient{Address: address, Destination: destination, State: queue.Queued, NextAttempt: now}
	}
	told, never := recipient("d@dest.test", "dest.test"), recipient("D@dest.test", "dest.test")
	told.Notify, told.OriginalRecipient = queue.NotifySuccess|queue.NotifyFailure, "rfc822;d+e@old.test"
	never.Notify = queue.NotifyNever
	want := queue.Item{
		ID: m.ID, Sender: "A@app.test", Size: int64(len(m.text)), Arrived: now, Expires: now.Add(72 * time.Hour),
		EightBit: true, SMTPUTF8: true, RequireTLS: true, Client: "192.0.2.1", Return: queue.ReturnHeaders, EnvelopeID: "Q+1",
		Recipients: []queue.Recipient{recipient("b@dest.test", "dest.test"), recipient(`"x>y z"@dest.test`, "dest.test"),
			recipient("u@xn--bcher-kva.example", "xn--bcher-kva.example"), recipient("postmaster@relay.test", "relay.test"), told, never},
	}
	if diff := cmp.Diff(want, m.Item); diff != "" {
		t.Errorf("the item differs: %s", diff)
	}
	if !strings.HasSuffix(reply, " "+m.ID.String()+"\r\n") {
		t.Errorf("the reply %q does not name the message %s", reply, m.ID)
	}
	trace := []string{"Received: from client.test ([192.0.2.1])", "with UTF8SMTPS", "(TLS 1.3, TLS_", "Message-ID: <"}
	for _, s := range trace {
		if !strings.Contains(m.text, s) {
			t.Errorf("no %q in %s", s, m.text)
		}
	}
	line := fmt.Sprintf("msg=accepted id=%s sender=A@app.test recipients=6 size=%d client=192.0.2.1", m.ID, m.Size) +
		` account="" tls_version=1.3`
	if !strings.Contains(r.log.String(), line) {
		t.Errorf("no %q in the log:\n%s", line, r.log)
	}
}

// A message needs SMTPUTF8 for its header only if the client said that it is UTF-8; 8-bit bytes in the body never do.
func TestUTF8Header(t *testing.T) {
	r := start(t, open)
	c := r.dial()
	c.say("EHLO client.test", "250")
	for _, tc := range []struct {
		parameter, text string
		want            bool
	}{
		{"", "Subject: ü\r\n\r\nhi\r\n", false},
		{" SMTPUTF8", "Subject: ü\r\n\r\nhi\r\n", true},
		{" SMTPUTF8", "Subject: x\r\n\r\nü\r\n", false},
		{" SMTPUTF8", "no header, but ü\r\n", false},
	} {
		c.say("MAIL FROM:<jörg@app.test>"+tc.parameter, map[bool]string{true: "553 5.6.7", false: "250"}[tc.parameter == ""])
		if tc.parameter == "" {
			c.say("MAIL FROM:<a@app.test>", "250")
		}
		c.say("RCPT TO:<b@dest.test>", "250")
		c.say("DATA", "354")
		c.send(tc.text + ".\r\n")
		c.expect("250")
		if m := r.queue.take()[0]; m.SMTPUTF8 != tc.want || !m.EightBit {
			t.Errorf("%q with %q: SMTPUTF8 %v, 8-bit %v", tc.text, tc.parameter, m.SMTPUTF8, m.EightBit)
		}
	}
}

// Two messages of one connection do not mix.
func TestSecondMessage(t *testing.T) {
	r := start(t, open)
	c := r.dial()
	c.say("HELO client.test", "250")
	for i := range 3 {
		from, to := fmt.Sprintf("a%d@app.test", i), fmt.Sprintf("b%d@dest.test", i)
		c.say("MAIL FROM:<"+from+">", "250")
		c.say("RCPT TO:<"+to+">", "250")
		if i == 1 {
			c.say("RSET", "250")
			continue
		}
		c.say("DATA", "354")
		c.send("\r\n.\r\n")
		c.expect("250")
		m := r.queue.take()[0]
		if m.Sender != from || len(m.Recipients) != 1 || m.Recipients[0].Address != to {
			t.Errorf("message %d: %+v", i, m.Item)
		}
		if m.EightBit || !strings.Contains(m.text, "for <b") {
			t.Errorf("message %d: %+v", i, m)
		}
	}
}

// A message may have exactly the size that is announced.
func TestSizeLimit(t *testing.T) {
	r := start(t, open, func(o *Options) { o.MessageSize = 1000 })
	c := r.dial()
	c.say("EHLO client.test", "250")
	for size, want := range map[int]string{999: "250", 1000: "250", 1001: "552 5.3.4", 5000: "552 5.3.4"} {
		content := "A: b\r\n\r\n"
		for len(content) < size-12 {
			content += ".1234567\r\n"
		}
		content += strings.Repeat("x", size-2-len(content)) + "\r\n"
		c.mail()
		c.send(stuff(content)) // the doubled dots do not count
		c.expect(want)
	}
}

// A client that goes on and on is not read for ever.
func TestFarOverSize(t *testing.T) {
	r := start(t, loopback, func(o *Options) { o.MessageSize = 1000 })
	c := r.dial()
	c.say("EHLO client.test", "250")
	c.mail()
	block := strings.Repeat("0123456789abcdef\r\n", 1000)
	for range 1000 {
		if _, err := c.conn.Write([]byte(block)); err != nil {
			break
		}
	}
	c.expect("552 5.3.4")
	c.expectEnd()
}

func TestRefusals(t *testing.T) {
	trouble := errors.New("/var/lib/secret: input/output error")
	for _, tc := range []struct {
		name   string
		change func(*fakeQueue)
		text   string
		want   string
	}{
		{"full at start", func(q *fakeQueue) { q.bodyErr = queue.ErrFull }, "x\r\n", "452 4.3.1"},
		{"full while writing", func(q *fakeQueue) { q.writeErr = fmt.Errorf("writing: %w", queue.ErrFull) }, "x\r\n",
			"452 4.3.1"},
		{"full at the end", func(q *fakeQueue) { q.enqueueErr = queue.ErrFull }, "x\r\n", "452 4.3.1"},
		{"broken at start", func(q *fakeQueue) { q.bodyErr = trouble }, "x\r\n", "451 4.3.0"},
		{"broken while writing", func(q *fakeQueue) { q.writeErr = trouble }, "x\r\n", "451 4.3.0"},
		{"broken at the end", func(q *fakeQueue) { q.enqueueErr = trouble }, "x\r\n", "451 4.3.0"},
		{"NUL", func(*fakeQueue) {}, "a\x00b\r\n", "554 5.6.0"},
		{"long line", func(*fakeQueue) {}, strings.Repeat("x", 999) + "\r\n", "554 5.6.0"},
		{"loop", func(*fakeQueue) {}, strings.Repeat("Received: x\r\n", 60) + "\r\n", "554 5.4.6"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := start(t, open)
			tc.change(r.queue)
			c := r.dial()
			c.say("EHLO client.test", "250")
			c.mail()
			c.send(tc.text + strings.Repeat("more\r\n", 20000) + ".\r\n")
			if got := c.expect(tc.want); strings.Contains(got, "secret") {
				t.Errorf("internal text in %q", got)
			}
			c.say("NOOP", "250")
			*r.queue = fakeQueue{}
			c.mail()
			c.send("fine\r\n.\r\n")
			c.expect("250")
			log, broken := r.log.String(), strings.HasPrefix(tc.want, "451")
			if broken != strings.Contains(log, "input/output error") || !strings.Contains(log, "msg=refused") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// Who may relay, by listener and client; the client on the pipe is 192.0.2.1.
func TestRelayAccess(t *testing.T) {
	other, mine := networks("198.51.100.0/24"), networks("192.0.2.0/24")
	for _, tc := range []struct {
		name       string
		on         Listener
		clear, tls string // reply to MAIL
	}{
		{"listed", Listener{TLS: TLSStartTLS, Networks: mine}, "250", "250"},
		{"not listed", Listener{TLS: TLSStartTLS, Networks: other}, "554 5.7.1 Relay access denied", "554 5.7.1"},
		{"nobody listed", Listener{TLS: TLSStartTLS}, "554 5.7.1", "554 5.7.1"},
		{"not listed, may log in", Listener{TLS: TLSStartTLS, Auth: AuthOptional, Networks: other},
			"530 5.7.0 Authentication required: send STARTTLS", "530 5.7.0 Authentication required: send AUTH"},
		{"listed, must log in", Listener{TLS: TLSStartTLS, Auth: AuthRequired, Networks: mine}, "530 5.7.0", "530 5.7.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := start(t, tc.on)
			c := r.dial()
			c.say("EHLO client.test", "250")
			for _, from := range []string{"", "x@relay.test", "x@localhost", "a@app.test"} {
				c.say("MAIL FROM:<"+from+">", tc.clear)
				c.say("RSET", "250")
			}
			c = r.dialTLS()
			c.say("EHLO client.test", "250")
			c.say("MAIL FROM:<a@app.test>", tc.tls)
		})
	}
	c := start(t, Listener{Auth: AuthOptional, Networks: other}).dial() // no TLS, so no login ever
	c.say("EHLO client.test", "250")
	c.say("MAIL FROM:<a@app.test>", "554 5.7.1")
}
