package smtpclient

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
)

// backend is a go-smtp server that knows one password, refuses recipients named "nobody" and keeps what it gets.
type backend struct{ got chan delivery }

type delivery struct {
	User, From string
	To         []string
	Text       string
}

func (b backend) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{b: b}, nil }

type session struct {
	b backend
	d delivery
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "secret" {
			return smtp.ErrAuthFailed
		}
		s.d.User = user
		return nil
	}), nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.d.From, s.d.To = from, nil
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.d.To = append(s.d.To, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.d.Text = string(b)
	s.b.got <- s.d
	return nil
}

// TestGoSMTP goes the whole way against a server that somebody else wrote.
func TestGoSMTP(t *testing.T) {
	b := backend{got: make(chan delivery, 10)}
	srv := smtp.NewServer(b)
	srv.Domain, srv.TLSConfig = "mx.test", serverTLS()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })

	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := introduce(t, New(nc, Options{}))
	defer c.Close()
	if !c.ext.STARTTLS || !c.ext.Pipelining || !c.ext.EightBitMIME || len(c.ext.Auth) != 0 {
		t.Fatalf("extensions %+v", c.ext)
	}
	if _, _, err := c.StartTLS(t.Context(), clientTLS()); err != nil {
		t.Fatal(err)
	}
	if ext, err := c.Hello(t.Context(), "relay.test"); err != nil || ext.STARTTLS || len(ext.Auth) != 1 {
		t.Fatalf("extensions %+v, %v", ext, err)
	}
	wantError(t, c.Auth(t.Context(), "user", "wrong"), StageAuth, 535, nil)
	if err := c.Auth(t.Context(), "user", "secret"); err != nil {
		t.Fatal(err)
	}

	small := "Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\n.dot\r\n"
	env := Envelope{From: "a@x.test", To: []string{"b@y.test", "nobody@y.test", "c@y.test"}, EightBit: true}
	for _, text := range []string{small + strings.Repeat("line\r\n", 20000), small, small} {
		env.Size = int64(len(text))
		res, err := c.Send(t.Context(), env, strings.NewReader(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{250, 550, 250}, codes(res.Rcpt)); diff != "" || res.Rcpt[1].Enhanced != "5.1.1" {
			t.Errorf("recipients: %v, %+v", diff, res.Rcpt[1])
		}
		if whole := res.Data.Code == 0; whole != (text == small) {
			t.Errorf("with BDAT: %v, %d bytes", whole, len(text))
		}
		want := delivery{"user", "a@x.test", []string{"b@y.test", "c@y.test"}, text}
		if diff := cmp.Diff(want, <-b.got); diff != "" {
			t.Errorf("the server got something else: %s", diff)
		}
	}
	_, err = c.Send(t.Context(), Envelope{To: []string{"nobody@y.test"}}, strings.NewReader("x"), nil)
	wantError(t, err, StageRcpt, 550, ErrNoRecipients)
	if err := c.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err = c.Send(t.Context(), env, strings.NewReader(small), nil); err != nil || (<-b.got).Text != small {
		t.Error(err)
	}
	c.Quit(t.Context())
}
