// Package bare is the least that a durable SMTP server in Go can be: go-smtp in front of one file. It checks nothing, keeps no
// queue and delivers nothing. What it reaches is the limit that tlsrelay can come close to.
package bare

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/emersion/go-smtp"
)

// Serve takes mail at l and appends it to the file at path until ctx ends.
func Serve(ctx context.Context, l net.Listener, path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	a := newAppender(file)
	defer a.stop()
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{appender: a}, nil }))
	srv.Domain = "bare.bench.test"
	srv.ErrorLog = log.New(io.Discard, "", 0) // clients that leave without QUIT
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

// session is one client.
type session struct {
	appender  *appender
	sender    string
	recipient string
}

// Mail implements [smtp.Session].
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.sender = from
	return nil
}

// Rcpt implements [smtp.Session]. The last recipient is the one that is kept: the load has one for each message.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.recipient = to
	return nil
}

// Data implements [smtp.Session]: the reply is the 250, once the message is on disk.
func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	id, err := s.appender.add(s.sender, s.recipient, text)
	if err != nil {
		return err
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: fmt.Sprint("Ok: queued as ", id)}
}

// Reset implements [smtp.Session].
func (s *session) Reset() { s.sender, s.recipient = "", "" }

// Logout implements [smtp.Session].
func (s *session) Logout() error { return nil }
