package relay

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
)

// listener is a next hop that notes the envelopes it gets, with their parameters as go-smtp reads them.
type listener struct {
	mails chan heard
	now   heard
}

type heard struct {
	from string
	mail smtp.MailOptions
	to   []string
	rcpt []smtp.RcptOptions
	text string
}

func (l *listener) Reset()        { l.now = heard{} }
func (l *listener) Logout() error { return nil }
func (l *listener) Mail(from string, o *smtp.MailOptions) error {
	l.now = heard{from: from, mail: *o}
	l.now.mail.Size = 0
	return nil
}
func (l *listener) Rcpt(to string, o *smtp.RcptOptions) error {
	l.now.to, l.now.rcpt = append(l.now.to, to), append(l.now.rcpt, *o)
	return nil
}
func (l *listener) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	l.now.text = string(b)
	l.mails <- l.now
	return err
}

// startListener serves a next hop, with DSN and SMTPUTF8 or without, and gives the mail it gets.
func startListener(t *testing.T, extensions bool) (address string, mails chan heard) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mails = make(chan heard, 10)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &listener{mails: mails}, nil }))
	server.Domain, server.EnableDSN, server.EnableSMTPUTF8 = "mx.test", extensions, extensions
	var served sync.WaitGroup
	served.Go(func() { server.Serve(l) })
	t.Cleanup(func() { server.Close(); served.Wait() })
	return l.Addr().String(), mails
}

// next waits for a mail.
func next(t *testing.T, mails chan heard) heard {
	t.Helper()
	select {
	case m := <-mails:
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no mail comes")
	}
	return heard{}
}

// A foreign client hands in mail with all that the envelope may have; a foreign next hop reads the same out of it.
func TestEnvelopeReachesNextHop(t *testing.T) {
	hop, mails := startListener(t, true)
	_, address, _, stop := testRelay(t, t.TempDir(), hop)
	defer stop()
	mail := smtp.MailOptions{UTF8: true, Return: smtp.DSNReturnHeaders, EnvelopeID: "Q+1=2 3"}
	rcpt := smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess, smtp.DSNNotifyDelayed},
		OriginalRecipientType: smtp.DSNAddressTypeUTF8, OriginalRecipient: "jörg+x@bücher.example"}
	handIn(t, address, mail, rcpt, "jörg@app.test", "用户@dest.test")
	got := next(t, mails)
	got.text = ""
	want := heard{from: "jörg@app.test", mail: mail, to: []string{"用户@dest.test"}, rcpt: []smtp.RcptOptions{rcpt}}
	want.mail.Body = got.mail.Body
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(heard{})); diff != "" {
		t.Error(diff)
	}
}

// A next hop without DSN makes the relay tell the sender itself, when the message is delivered.
func TestRelayedNoticeReachesSender(t *testing.T) {
	hop, mails := startListener(t, false)
	_, address, log, stop := testRelay(t, t.TempDir(), hop)
	defer stop()
	handIn(t, address, smtp.MailOptions{Return: smtp.DSNReturnFull, EnvelopeID: "Q 1"}, smtp.RcptOptions{
		Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess}, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "old@dest.test",
	}, "a@app.test", "b@dest.test")
	if m := next(t, mails); m.from != "a@app.test" || m.mail != (smtp.MailOptions{Body: m.mail.Body}) {
		t.Errorf("the next hop got %+v", m)
	}
	notice := next(t, mails)
	if notice.from != "" || len(notice.to) != 1 || notice.to[0] != "a@app.test" {
		t.Errorf("the notice goes from %q to %q", notice.from, notice.to)
	}
	for _, field := range []string{"Original-Envelope-Id: Q 1\r\n", "Original-Recipient: rfc822; old@dest.test\r\n", "Action: relayed\r\n", "Status: 2."} {
		if !strings.Contains(notice.text, field) {
			t.Errorf("the notice has no %q:\n%s", field, notice.text)
		}
	}
	if fields, line := log.find(t, "notice"); fields["kind"] != "relayed" {
		t.Errorf("the log says %s", line)
	}
}

func handIn(t *testing.T, address string, mail smtp.MailOptions, rcpt smtp.RcptOptions, from, to string) {
	t.Helper()
	c, err := smtp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail(from, &mail); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(to, &rcpt); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "Subject: hello\r\n\r\nhello\r\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
}
