package submission

import (
	"crypto/tls"

	"github.com/xdg-go/scram"
)

// scramServer is the server of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677). The password never comes here: the
// client proves that it knows it. Errors of the library repeat what the client sent, so nobody gets to see them.
type scramServer struct {
	session      *session
	conversation *scram.ServerConversation
	steps        int   // messages of the client
	trouble      error // the accounts could not be read
}

// newSCRAM begins an exchange. One with plus must be bound to the TLS connection; one without may, and a client that could
// have done it but did not see it offered is refused, because somebody in between has changed the offer.
func (s *session) newSCRAM(plus bool) *scramServer {
	x := &scramServer{session: s}
	server, _ := scram.SHA256.NewServer(func(name string) (scram.StoredCredentials, error) {
		var keys scram.StoredCredentials
		keys, x.trouble = s.guard.srv.opts.Accounts.Keys(name)
		return keys, x.trouble
	}) // never fails
	binding := s.guard.binding()
	if plus {
		x.conversation = server.NewConversationWithChannelBindingRequired(binding)
	} else {
		x.conversation = server.NewConversationWithChannelBinding(binding)
	}
	return x
}

// Next implements [sasl.Server]. SMTP has no place for data beside a success, so the server's proof is a challenge of its
// own, which the client answers with nothing (RFC 4954, 4); only then it is logged in.
func (x *scramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil && x.steps == 0 {
		return nil, false, nil
	}
	x.steps++
	switch x.steps {
	case 1:
		return x.first(response)
	case 2:
		return x.proof(response)
	}
	if len(response) > 0 {
		return nil, false, smtpReply(501, "5.5.2", "The last response of SCRAM must be empty")
	}
	return nil, true, x.session.guard.logIn(x.conversation.Username())
}

func (x *scramServer) first(response []byte) (challenge []byte, done bool, err error) {
	said, err := x.conversation.Step(string(response))
	switch {
	case x.trouble != nil:
		return nil, false, x.session.cannotCheck(x.trouble)
	case err != nil:
		return nil, false, smtpReply(501, "5.5.2",
			"The first response is not in the format of SCRAM, or wants a channel binding that is not tls-exporter or not offered")
	}
	return []byte(said), false, nil
}

func (x *scramServer) proof(response []byte) (challenge []byte, done bool, err error) {
	var said string
	name, other := x.conversation.Username(), x.conversation.AuthzID()
	err = x.session.login(name, func() (bool, error) {
		var err error
		said, err = x.conversation.Step(string(response))
		return err == nil && x.conversation.Valid() && name != "" && (other == "" || other == name), nil
	})
	return []byte(said), false, err
}

// binding is what ties a login to the TLS connection (RFC 9266). In TLS 1.2 there is none: clients that bind to it in the
// older way, tls-unique, would take the offer and fail.
func (g *guard) binding() scram.ChannelBinding {
	if g.secure == nil || g.secure.Version < tls.VersionTLS13 {
		return scram.ChannelBinding{}
	}
	b, err := scram.NewTLSExporterBinding(g.secure)
	if err != nil {
		return scram.ChannelBinding{}
	}
	return b
}
