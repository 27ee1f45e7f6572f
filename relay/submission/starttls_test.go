package submission

import (
	"crypto/tls"
	"io"
	"testing"
)

// Nothing that was said before TLS is known after it.
func TestStartTLSForgets(t *testing.T) {
	c := start(t, open).dial()
	c.say("EHLO client.test", "250")
	c.say("MAIL FROM:<a@app.test>", "250")
	c.say("RCPT TO:<b@dest.test>", "250")
	c.say("STARTTLS", "220 2.0.0")
	c.handshake()
	c.say("MAIL FROM:<a@app.test>", "503 5.5.1") // the first thing said in TLS: no second greeting
	c.say("DATA", "503 5.5.1")
	c.say("EHLO client.test", "250")
	c.say("RCPT TO:<b@dest.test>", "503 5.5.1")
	c.say("STARTTLS", "503 5.5.1")
	c.mail()
}

func TestStartTLSNotOffered(t *testing.T) {
	c := start(t, Listener{Networks: networks("192.0.2.0/24")}).dial()
	c.say("STARTTLS", "502 5.5.1")
	c.say("NOOP", "250")
}

// A handshake that fails ends the connection: clear text does not go on.
func TestFailedHandshake(t *testing.T) {
	r := start(t, open)
	c := r.dial()
	c.say("STARTTLS", "220")
	go c.send("EHLO client.test\r\nNOOP\r\n")
	answer, _ := io.ReadAll(c.in)
	if len(answer) > 0 && answer[0] != 0x15 { // a TLS alert
		t.Errorf("the server goes on with %q", answer)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	for _, l := range []Listener{{Address: "127.0.0.1:0", TLS: TLSImplicit}, {Address: "127.0.0.1:0", TLS: TLSStartTLS}} {
		r := start(t, l, func(o *Options) { o.TLSConfig.MinVersion = tls.VersionTLS10 })
		c := r.connect()
		if l.TLS == TLSStartTLS {
			c.expect("220")
			c.say("STARTTLS", "220")
		}
		old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
		conn := tls.Client(c.conn, old)
		if err := conn.Handshake(); err == nil {
			t.Error("TLS 1.1 is spoken")
		}
	}
}

func TestImplicitTLS(t *testing.T) {
	r := start(t, Listener{TLS: TLSImplicit, Auth: AuthRequired})
	c := r.connect()
	c.handshake()
	c.expect("220 relay.test")
	c.say("EHLO client.test", "250")
	c.say("STARTTLS", "503 5.5.1")
	c.say("AUTH PLAIN "+b64("\x00"+account+"\x00"+secret), "235")
	c.mail()
	c.send("\r\n.\r\n")
	c.expect("250")
}
