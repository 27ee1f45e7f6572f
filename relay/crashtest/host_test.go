//go:build linux

package crashtest

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tlsrelay/relay/certificate"
)

// mailHost plays the hosts of all domains, with STARTTLS. It reads each mail to its end, looks whether it is whole, books it
// and only then says so.
type mailHost struct {
	books   *books
	open    atomic.Bool // whether mail for wait is taken
	address string
}

func newMailHost(t *testing.T, b *books) *mailHost {
	t.Helper()
	cert, err := certificate.SelfSigned(t.TempDir(), "mx.example", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	h := &mailHost{books: b, address: l.Addr().String()}
	s := smtp.NewServer(h)
	s.Domain = "mx.example"
	s.TLSConfig = &tls.Config{GetCertificate: cert.Get}
	s.ReadTimeout, s.WriteTimeout = mailTime, mailTime
	s.ErrorLog = log.New(io.Discard, "", 0) // relays that die in a handshake
	ended := make(chan struct{})
	go func() { defer close(ended); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-ended })
	return h
}

// NewSession implements [smtp.Backend].
func (h *mailHost) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &hostSession{host: h, conn: c}, nil
}

// hostSession is one connection from the relay.
type hostSession struct {
	host   *mailHost
	conn   *smtp.Conn
	from   string
	mail   *mail
	notice bool
}

// Reset implements [smtp.Session].
func (s *hostSession) Reset() { s.from, s.mail, s.notice = "", nil, false }

// Logout implements [smtp.Session].
func (s *hostSession) Logout() error { return nil }

// Mail implements [smtp.Session].
func (s *hostSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from, s.notice = from, from == ""
	return nil
}

// Rcpt implements [smtp.Session]: it finds the mail by its sender, who is the recipient of a notice.
func (s *hostSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasSuffix(to, "@"+wait) && !s.host.open.Load() {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "closed for now"}
	}
	sender := s.from
	if s.notice {
		sender = to
	}
	number, _ := numberOf(sender)
	if s.mail = s.host.books.get(number); s.mail == nil || sender != s.mail.sender() {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody wrote such a mail"}
	}
	return nil
}

// Data implements [smtp.Session].
func (s *hostSession) Data(r io.Reader) error {
	whole, err := s.mail.wholeIn(r, s.notice)
	if err != nil {
		return err
	}
	life, err := lifeOf(s.conn.Hostname())
	if err != nil {
		return err
	}
	s.host.books.arrive(s.mail, s.notice, life, whole)
	return nil
}

// nameOf is the relay's name in one of its lives. So a host knows which life it talks to.
func nameOf(life int) string { return fmt.Sprintf("life-%d.relay.example", life) }

func lifeOf(name string) (life int, err error) {
	_, err = fmt.Sscanf(name, "life-%d.relay.example", &life)
	return life, err
}

// mailTime bounds what one mail may take on its way in or out.
const mailTime = time.Minute
