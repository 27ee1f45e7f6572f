package submission

import (
	"errors"
	"strings"
	"testing"

	"tlsrelay/relay/message"
)

// stamp is a Signer that counts, and can fail.
type stamp struct {
	seen strings.Builder
	err  error
}

func (s *stamp) Begin(string, message.Header) (message.Signature, error) { return s, nil }
func (s *stamp) Write(p []byte) (int, error)                             { return s.seen.Write(p) }
func (s *stamp) Fields() (string, error)                                 { return "X-Signed: yes\r\n", s.err }
func (s *stamp) Discard()                                                {}

func TestSignatureGoesIntoTheItem(t *testing.T) {
	s := &stamp{}
	r := start(t, open, func(o *Options) { o.Signer = s })
	c := r.dial()
	c.say("HELO client.test", "250")
	send := func(reply string) {
		c.say("MAIL FROM:<a@app.test>", "250")
		c.say("RCPT TO:<b@dest.test>", "250")
		c.say("DATA", "354")
		c.say("Subject: x\r\n\r\n..dot\r\n.", reply)
	}
	send("250 2.0.0 Ok: queued as")
	mail := r.queue.take()
	if len(mail) != 1 || mail[0].Header != "X-Signed: yes\r\n" || mail[0].Size != int64(len(mail[0].Header+mail[0].text)) {
		t.Fatalf("queued %+v", mail)
	}
	if s.seen.String() != mail[0].text {
		t.Errorf("signed was %q, stored %q", s.seen.String(), mail[0].text)
	}
	s.err = errors.New("the key is broken")
	send("451 4.3.0")
	if mail := r.queue.take(); len(mail) != 0 {
		t.Errorf("queued without the signature: %+v", mail)
	}
	if !strings.Contains(r.log.String(), "the key is broken") {
		t.Errorf("the log does not say why:\n%s", r.log)
	}
	c.say("QUIT", "221")
}
