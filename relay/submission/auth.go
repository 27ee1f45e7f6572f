package submission

import (
	"errors"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Mechanisms that are known here.
const (
	plain     = sasl.Plain // RFC 4616
	login     = sasl.Login // draft-murchison-sasl-login, for old clients
	scram256  = "SCRAM-SHA-256"
	scramPlus = "SCRAM-SHA-256-PLUS" // RFC 7677: bound to the TLS connection
	external  = sasl.External        // RFC 4422, appendix A: by a client certificate
)

// mechanisms lists those that can work on this connection, in the order in which EHLO names them.
func (g *guard) mechanisms() []string {
	list := []string{plain, login}
	if g.srv.opts.Dovecot == nil && g.srv.opts.Accounts.SCRAM() {
		list = append(list, scram256)
		if g.binding().IsSupported() {
			list = append(list, scramPlus)
		}
	}
	if g.hasCertificate() {
		list = append(list, external)
	}
	return list
}

// AuthMechanisms implements [smtp.AuthSession].
func (s *session) AuthMechanisms() []string { return s.guard.mechanisms() }

// Auth implements [smtp.AuthSession]. The guard has checked that the client may log in here, and by this mechanism.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case login:
		return &loginServer{authenticate: s.authenticate}, nil
	case scram256, scramPlus:
		return s.newSCRAM(mechanism == scramPlus), nil
	case external:
		return &externalServer{session: s}, nil
	}
	return plainServer{sasl.NewPlainServer(func(identity, name, password string) error {
		if identity != "" && identity != name { // nobody may act for another account
			password = ""
		}
		return s.authenticate(name, password)
	})}, nil
}

// authenticate logs in with a password.
func (s *session) authenticate(name, password string) error {
	user := ""
	err := s.login(name, func() (ok bool, err error) {
		user, ok, err = s.checkPassword(name, password)
		return ok && name != "" && password != "", err
	})
	if err == nil {
		err = s.guard.logIn(user)
	}
	return err
}

// plainServer gives a malformed response the right reply.
type plainServer struct{ sasl.Server }

func (p plainServer) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = p.Server.Next(response)
	var refused *smtp.SMTPError
	if err != nil && !errors.As(err, &refused) {
		err = smtpReply(501, "5.5.2", "The response is not in the format of PLAIN")
	}
	return challenge, done, err
}

// loginServer is the server of LOGIN: it asks for the name, unless the client sent it at once, and for the password.
type loginServer struct {
	authenticate func(name, password string) error
	asked, named bool
	name         string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case l.named:
		return nil, true, l.authenticate(l.name, string(response))
	case response == nil && !l.asked:
		l.asked = true
		return []byte("Username:"), false, nil
	}
	l.name, l.named = string(response), true
	return []byte("Password:"), false, nil
}
