package submission

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// recorder collects what a server says.
type recorder struct {
	mu     sync.Mutex
	text   bytes.Buffer
	closed bool
	done   chan struct{} // nobody reads any more
}

func record(conn net.Conn) *recorder {
	r := &recorder{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		_, err := io.Copy(r, conn)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.closed = err == nil || !isTimeout(err)
	}()
	return r
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// Write implements io.Writer.
func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) all() (text string, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String(), r.closed
}

// Bits of the mode of FuzzDialogue.
const (
	modeImplicit = 1 << iota // TLS from the first byte
	modeAuth                 // nobody relays without a login
	modeNoTLS                // the client does not go on with TLS after STARTTLS
)

const (
	probe    = "EHLO probe.test\r\n"
	readyTLS = "220 2.0.0 Ready to start TLS\r\n"

	patience = (1+2+4)*time.Second + time.Second/2 // the delays of three failed logins, and no more
)

// talk is a client that says what it is given, piece by piece.
type talk struct {
	t    *testing.T
	r    *rig
	conn net.Conn
	said *recorder
	sent strings.Builder // since the connection or TLS began
	mode byte

	resumed bool // after STARTTLS: no greeting
	lost    bool // TLS was promised and not taken up

	accepted []string
}

// say sends a piece and gives the server time for all that follows from it, three failed logins included. After the
// promise of TLS the client keeps it.
func (k *talk) say(piece string) {
	k.sent.WriteString(piece)
	io.WriteString(k.conn, piece) // an error shows as closed
	time.Sleep(patience)
	synctest.Wait()
	replies, closed := k.said.all()
	switch {
	case k.lost || closed || !strings.HasSuffix(replies, readyTLS):
	case k.mode&modeNoTLS != 0:
		k.check()
		k.lost = true
	default:
		k.check()
		k.conn.SetReadDeadline(longAgo)
		<-k.said.done
		k.conn.SetReadDeadline(time.Time{})
		c := &client{t: k.t, conn: k.conn}
		c.handshake()
		k.listen(c.conn)
		k.resumed = true
	}
}

// listen goes on with a new connection, or the same with TLS.
func (k *talk) listen(conn net.Conn) {
	k.conn, k.said = conn, record(conn)
	k.sent.Reset()
}

// check compares what was said on both sides since the connection or TLS began.
func (k *talk) check() {
	said, closed := k.said.all()
	replies, err := splitReplies(said)
	if err != nil {
		k.t.Fatalf("%v in %q", err, said)
	}
	if !k.resumed {
		if len(replies) == 0 {
			k.t.Fatal("there is no greeting")
		}
		replies = replies[1:]
	}
	v := conversation{sent: k.sent.String(), replies: replies}
	if err := v.read(); err != nil {
		k.t.Fatalf("%v; %q was answered by %q", err, k.sent.String(), said)
	}
	k.accepted = append(k.accepted, v.accepted...)
	// A client that is cut off has one reply more and lines without any.
	if extra := len(v.replies); extra > 1 || !closed && (extra > 0 || !v.open || v.sent != "") {
		k.t.Fatalf("out of step, closed %v: %q was answered by %q", closed, k.sent.String(), said)
	}
	if !closed && strings.HasSuffix(k.sent.String(), probe) && !strings.HasPrefix(v.last, "250-relay.test Hello probe.test\r\n") {
		k.t.Fatalf("the probe is answered by %q after %q", v.last, k.sent.String())
	}
}

// finish ends whatever the server may be in, and then wants it to answer in step or to have closed the connection.
func (k *talk) finish() {
	for _, piece := range []string{"\r\n.\r\n", "*\r\n", probe} {
		k.say(piece)
	}
	if k.lost {
		time.Sleep(handshakeTimeout)
		synctest.Wait()
		said, closed := k.said.all()
		_, after, _ := strings.Cut(said, readyTLS)
		if !closed || after != "" && after[0] != 0x15 { // an alert of TLS
			k.t.Fatalf("the dialogue goes on without TLS, closed %v: %q", closed, said)
		}
		return
	}
	k.check()
}

// checkQueue compares the messages that the strict reader found with those that were stored.
func (k *talk) checkQueue() {
	mail := k.r.queue.take()
	if len(mail) != len(k.accepted) {
		k.t.Fatalf("%d messages are stored, %d were sent: %+v, %q", len(mail), len(k.accepted), mail, k.accepted)
	}
	for i, m := range mail {
		joined := strings.ReplaceAll(m.text, "\r\n", "")
		if strings.ContainsAny(joined, "\r\n\x00") {
			k.t.Fatalf("the stored text breaks the rule of the wire: %q", m.text)
		}
		// Fields may have been put before it, and an empty line within.
		if !strings.HasSuffix(joined, strings.ReplaceAll(k.accepted[i], "\r\n", "")) {
			k.t.Fatalf("%q is stored as %q", k.accepted[i], m.text)
		}
		if k.mode&modeAuth != 0 && m.Account != account {
			k.t.Fatalf("a message without a login: %+v", m)
		}
	}
}

// Whatever a client sends, cut as it may be, in clear text and in TLS: the server closes or answers the next command in
// step, with one well-formed reply each, and what it stores are the messages that a strict reader finds.
func FuzzDialogue(f *testing.F) {
	for _, s := range dialogueSeeds() {
		for mode := range byte(8) {
			f.Add([]byte(s.text), s.cuts, mode)
		}
	}
	testCertificate()
	f.Fuzz(func(t *testing.T, input, cuts []byte, mode byte) {
		synctest.Test(t, func(t *testing.T) {
			on := open
			if mode&modeImplicit != 0 {
				on.TLS = TLSImplicit
			}
			if mode&modeAuth != 0 {
				on.Auth = AuthRequired
			}
			k := &talk{t: t, mode: mode, r: start(t, on, func(o *Options) { o.MessageSize = 2000 })}
			c := k.r.connect()
			if mode&modeImplicit != 0 {
				c.handshake()
			}
			k.listen(c.conn)
			for _, n := range cuts[:min(len(cuts), 24)] {
				n := min(int(n), len(input))
				k.say(string(input[:n]))
				input = input[n:]
			}
			k.say(string(input))
			k.finish()
			k.checkQueue()
			c.conn.Close()
		})
	})
}

// seed is a dialogue and the lengths of its first pieces.
type seed struct {
	text string
	cuts []byte
}

func dialogueSeeds() []seed {
	hello := "EHLO client.test\r\n"
	envelope := hello + "MAIL FROM:<a@app.test>\r\nRCPT TO:<b@dest.test>\r\n"
	mail := "DATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
	tls := hello + "STARTTLS\r\n"
	good := "AUTH PLAIN " + b64("\x00"+account+"\x00"+secret) + "\r\n"
	loginAs := "AUTH LOGIN\r\n" + b64(account) + "\r\n"
	start := []byte{byte(len(tls))}
	seeds := []seed{
		{hello, nil}, {envelope + mail + envelope + "DATA\r\nsecond", nil}, {envelope + mail + envelope + mail, []byte{10, 1, 70, 20}},
		{tls + envelope + mail, start}, {tls + hello + good + envelope + mail, start}, {tls + tls, start},
		{hello + good + envelope + mail + "RSET\r\nQUIT\r\n", []byte{60}}, {tls + hello + loginAs + b64(secret) + "\r\n" + envelope + mail, start},
		{tls + hello + loginAs + b64("guess") + "\r\n" + good + envelope + mail, start}, {hello + loginAs + envelope + mail, nil},
		{envelope + "DATA\r\nx\r\r\n.\r\n" + evil, []byte{3, 3}}, {envelope + "BDAT 5 LAST\r\nhello", nil}, {"STARTTLS\r\nNOOP\r\n", nil},
		{"STARTTLSx\r\nQUIT\r\n", nil}, {hello + "AUTH PLAIN\r\n*\r\n", nil}, {hello + "AUTH LOGIN\r\nx\r\n", nil}, {"\x16\x03\x01\x00", nil},
		{"NOOP\nNOOP\r\n", nil}, {"RSET\r\nHELO x\r\n", nil}, {strings.Repeat("XYZZY\r\n", 12), nil},
		{envelope + "RCPT TO:<\"a b\"@c>\r\nMAIL FROM:<x>\r\nDATA\r\n\x00\r\n.\r\n", nil}, {envelope + "DATA\r\n" + strings.Repeat("over\r\n", 400), nil},
		{envelope + "DATA\r\n.\r\nNOOP\r\nDATA\r\n", nil}, {strings.Repeat("A", maxAuthLine+10), nil}, {"GET / HTTP/1.1\r\nHost: x\r\n", nil},
		{tls + "\x16\x03\x01\x00\xff\x01", start},
		{tls + hello + "AUTH SCRAM-SHA-256 " + b64("n,,n="+account+",r=x") + "\r\n" + b64("c=biws,r=x,p=x") + "\r\n\r\n", start},
		{hello + "MAIL FROM:<ü@x> SMTPUTF8 RET=HDRS ENVID=a+0A\r\nRCPT TO:<b@x> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\\x{FC}@x\r\n" + mail, nil},
		{"HELO x\r\nMAIL FROM:<a@b> SIZE=1\r\n", nil},
	}
	for i, sequence := range noEnd {
		seeds = append(seeds, seed{envelope + "DATA\r\na" + sequence + evil, []byte{byte(len(envelope) + 6 + i%len(sequence))}})
	}
	return seeds
}
