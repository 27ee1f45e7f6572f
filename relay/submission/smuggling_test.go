package submission

import (
	"fmt"
	"strings"
	"testing"
)

// noEnd are sequences that some server somewhere takes for the end of a message.
var noEnd = []string{
	"\n.\n", "\n.\r", "\r.\n", "\r.\r", "\n.\r\n", "\r.\r\n", "\r\n\x00.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\x00\r\n",
	"\r\n.\r\r\n",
}

// evil is what a smuggler would have run as commands.
const evil = "MAIL FROM:<evil@app.test>\r\nRCPT TO:<victim@dest.test>\r\nDATA\r\nevil\r\n.\r\n"

// One message in is one message out, however the content is cut into pieces, in clear text and in TLS.
func TestSmuggling(t *testing.T) {
	for _, mode := range []string{"clear", "TLS"} {
		for _, sequence := range noEnd {
			t.Run(fmt.Sprintf("%s %q", mode, sequence), func(t *testing.T) {
				r := start(t, open)
				c := r.dial()
				if mode == "TLS" {
					c.say("EHLO client.test", "250")
					c.say("STARTTLS", "220")
					c.handshake()
				}
				c.say("EHLO client.test", "250")
				head, tail := "Subject: x\r\n\r\nfirst", evil
				for i := range len(sequence) + 1 {
					c.mail()
					pieces := []string{head + sequence[:i], sequence[i:] + tail}
					r.oneMessage(c, pieces, strings.Contains(sequence, "\x00"))
				}
				c.mail()
				r.oneMessage(c, strings.Split(head+sequence+tail, ""), strings.Contains(sequence, "\x00"))
			})
		}
	}
}

// oneMessage sends a message in pieces and wants one reply, one message, and the dialogue in step.
func (r *rig) oneMessage(c *client, pieces []string, refused bool) {
	r.t.Helper()
	for _, p := range pieces {
		if p != "" {
			c.send(p)
		}
	}
	want, count := "250 2.0.0 Ok: queued as", 1
	if refused {
		want, count = "554 5.6.0", 0
	}
	c.expect(want)
	c.say("NOOP", "250 2.0.0 I have")
	mail := r.queue.take()
	if len(mail) != count {
		r.t.Fatalf("%d messages for %q", len(mail), pieces)
	}
	if count == 0 {
		return
	}
	text := mail[0].text
	stray := strings.ContainsAny(strings.ReplaceAll(text, "\r\n", ""), "\r\n\x00")
	if stray || !strings.Contains(text, "\r\nDATA\r\nevil\r\n") {
		r.t.Fatalf("%q became %q", pieces, text)
	}
}

// The end of a message is found after it is over the size limit, too.
func TestSmugglingOverSize(t *testing.T) {
	for _, sequence := range noEnd {
		r := start(t, open, func(o *Options) { o.MessageSize = 100 })
		c := r.dial()
		c.say("EHLO client.test", "250")
		for i := range len(sequence) + 1 {
			c.mail()
			c.send(strings.Repeat("0123456789\r\n", 20) + sequence[:i])
			c.send(sequence[i:] + evil)
			c.expect("552 5.3.4")
			c.say("NOOP", "250")
		}
		if mail := r.queue.take(); len(mail) != 0 {
			t.Errorf("%q: %d messages", sequence, len(mail))
		}
	}
}

// These do end it, split anywhere.
func TestEndOfMessage(t *testing.T) {
	for content, want := range map[string]string{
		"A: b\r\n\r\nline\r\r\n.\r\n":            "A: b\r\n\r\nline \r\n",
		"A: b\r\n\r\nline\r\n.\r\n":              "A: b\r\n\r\nline\r\n",
		"A: b\r\n\r\n..\r\n...x\r\n.\r\n":        "A: b\r\n\r\n.\r\n..x\r\n",
		"A: b\r\n\r\n.x\r\n.\r\n":                "A: b\r\n\r\nx\r\n",
		"A: b\r\n\r\n.\r.\r\n.\r\n":              "A: b\r\n\r\n .\r\n",
		"A: b\r\n\r\nbare\n.lf\n..\r\n\r\n.\r\n": "A: b\r\n\r\nbare\r\n.lf\r\n..\r\n\r\n",
		"A: b\r\n\r\n\r\r\r\n\r\n.\r\n":          "A: b\r\n\r\n  \r\n\r\n",
		".\r\n":                                  "\r\n",
	} {
		r := start(t, open)
		c := r.dial()
		c.say("EHLO client.test", "250")
		for i := range len(content) {
			c.mail()
			if i > 0 {
				c.send(content[:i])
			}
			c.send(content[i:])
			c.expect("250 2.0.0")
			mail := r.queue.take()
			if len(mail) != 1 || !strings.HasPrefix(mail[0].text, "Received:") || !strings.HasSuffix(mail[0].text, want) {
				t.Fatalf("%q split at %d became %+v", content, i, mail)
			}
		}
	}
}
