package submission

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// noEnd are sequences that some server somewhere takes for the end of a message.
var noEnd = []string{
	"\n.\n", "\n.\r", "\r.\n", "\r.\r", "\n.\r\n", "\r.\r\n", "\r\n\x00.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\x00\r\n",
	"\r\n.\r\r\n",
}

// keptAs is what becomes of them within a message. Those that are not here have a NUL, for which it is refused.
var keptAs = map[string]string{
	"\n.\n": "\r\n.\r\n", "\n.\r": "\r\n. ", "\r.\n": " .\r\n", "\r.\r": " . ", "\n.\r\n": "\r\n.\r\n", "\r.\r\n": " .\r\n",
	"\r\n.\n": "\r\n\r\n", "\r\n.\r": "\r\n ", "\r\n.\r\r\n": "\r\n \r\n", // a dot behind CR LF is one that the client doubled
}

// evil is what a smuggler would have run as commands.
const evil = "MAIL FROM:<evil@app.test>\r\nRCPT TO:<victim@dest.test>\r\nDATA\r\nevil\r\n.\r\n"

// inClearAndTLS runs a test on a connection of either kind, behind EHLO.
func inClearAndTLS(t *testing.T, name string, test func(r *rig, c *client), change ...func(*Options)) {
	for _, mode := range []string{"clear", "TLS"} {
		t.Run(fmt.Sprintf("%s %s", mode, name), func(t *testing.T) {
			r := start(t, open, append(change, func(o *Options) { o.Recipients = 10000 })...) // and so many more commands
			dial := r.dial
			if mode == "TLS" {
				dial = r.dialTLS
			}
			c := dial()
			c.say("EHLO client.test", "250")
			test(r, c)
		})
	}
}

// inTwo calls send with text cut in two before each of its bytes, and in single bytes at last.
func inTwo(text string, send func(pieces ...string)) {
	for i := range len(text) {
		send(text[:i], text[i:])
	}
	send(strings.Split(text, "")...)
}

// sendAll sends pieces, a write each, and does not wait until the server has read them: it may want to write first.
func (c *client) sendAll(pieces []string) {
	go func() {
		for _, p := range pieces {
			if p != "" {
				io.WriteString(c.conn, p) // an error shows in what the server answers
			}
		}
	}()
}

// One message in is one message out, however the content is cut into pieces, in clear text and in TLS.
func TestSmuggling(t *testing.T) {
	for _, sequence := range noEnd {
		kept, clean := keptAs[sequence]
		inClearAndTLS(t, fmt.Sprintf("%q", sequence), func(r *rig, c *client) {
			inTwo("Subject: x\r\n\r\nfirst"+sequence+evil, func(pieces ...string) {
				c.mail()
				c.sendAll(pieces)
				if !clean {
					c.expect("554 5.6.0")
				} else {
					c.expect("250 2.0.0 Ok: queued as")
				}
				c.say("NOOP", "250 2.0.0 I have")
				mail := r.queue.take()
				if !clean && len(mail) == 0 {
					return
				}
				want := "Subject: x\r\n\r\nfirst" + kept + strings.TrimSuffix(evil, ".\r\n")
				if len(mail) != 1 || !strings.HasSuffix(mail[0].text, "\r\n"+want) {
					r.t.Fatalf("%q became %d messages: %+v", pieces, len(mail), mail)
				}
			})
		})
	}
}

// The end of a message is found after it is over the size limit, too.
func TestSmugglingOverSize(t *testing.T) {
	const limit = 100
	fill := strings.Repeat("0123456789\r\n", 20)
	for _, sequence := range noEnd {
		inClearAndTLS(t, fmt.Sprintf("%q", sequence), func(r *rig, c *client) {
			inTwo(fill+sequence+evil, func(pieces ...string) {
				c.mail()
				c.sendAll(pieces)
				c.expect("552 5.3.4")
				c.say("NOOP", "250 2.0.0 I have")
			})
			for i := range len(sequence) + 1 { // the limit is reached within the sequence
				c.mail()
				c.send(fill[:limit-i] + sequence + evil)
				c.expect("55") // too large, or refused for a NUL
				c.say("NOOP", "250 2.0.0 I have")
			}
			if mail := r.queue.take(); len(mail) != 0 {
				r.t.Errorf("%d messages", len(mail))
			}
		}, func(o *Options) { o.MessageSize = limit })
	}
}

// These do end it, split anywhere, and what is behind them is the next command.
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
		inClearAndTLS(t, fmt.Sprintf("%q", content), func(r *rig, c *client) {
			inTwo(content+"NOOP\r\n", func(pieces ...string) {
				c.mail()
				c.sendAll(pieces)
				c.expect("250 2.0.0 Ok: queued as", "250 2.0.0 I have")
				mail := r.queue.take()
				if len(mail) != 1 || !strings.HasPrefix(mail[0].text, "Received:") || !strings.HasSuffix(mail[0].text, want) {
					r.t.Fatalf("%q became %+v", pieces, mail)
				}
			})
		})
	}
}
