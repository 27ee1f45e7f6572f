package submission

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
)

// tlsAt is the TLS side of a listener. Where clients may show a certificate, no TLS session is resumed: a ticket vouches for a
// certificate for up to seven days. Whether its authority still counts is asked again by newer versions of package tls only, and
// checkUsage is passed over by all. A full handshake instead takes a quarter of a millisecond more, both ends together.
func (s *Server) tlsAt(on *Listener) *tls.Config {
	if on.ClientCAs == nil {
		return s.tls
	}
	c := s.tls.Clone()
	c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, on.ClientCAs()
	c.VerifyPeerCertificate = checkUsage
	c.SessionTicketsDisabled = true
	return c
}

var errUsage = errors.New("its extended key usage does not name clientAuth")

// checkUsage wants a certificate that is made for clients. Package tls takes one that says nothing of its use for one that is
// good for all; to log in with what was made for a web server would be a surprise.
func checkUsage(_ [][]byte, chains [][]*x509.Certificate) error {
	if len(chains) > 0 && !slices.Contains(chains[0][0].ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chains[0], Err: errUsage}
	}
	return nil
}

// logHandshake notes why there is no TLS; of a bad client certificate, whose it is, too.
func (g *guard) logHandshake(err error) {
	log := g.srv.opts.Log.With("client", clientText(g.client))
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) && len(bad.UnverifiedCertificates) > 0 {
		log.Info("client certificate refused", "name", identity(bad.UnverifiedCertificates[0]), "error", bad.Err.Error())
		return
	}
	log.Info("TLS handshake failed", "error", err.Error())
}

// hasCertificate reports whether the client has shown a certificate that an authority of the listener vouches for.
func (g *guard) hasCertificate() bool {
	return g.on.ClientCAs != nil && g.secure != nil && len(g.secure.VerifiedChains) > 0
}

// maxIdentity bounds a name out of a certificate, in bytes. No account has a longer one.
const maxIdentity = 255

// identity is the account that a certificate is for: its first mail address, or else its common name. "" if it has neither.
func identity(c *x509.Certificate) string {
	name := c.Subject.CommonName
	if len(c.EmailAddresses) > 0 {
		name = c.EmailAddresses[0]
	}
	return name[:min(len(name), maxIdentity+1)]
}

// externalServer is the server of EXTERNAL. The certificate has been checked in the handshake.
type externalServer struct {
	session *session
	asked   bool
}

// Next implements [sasl.Server]. The client's response is the account it wants to be, empty for that of its certificate.
func (x *externalServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil && !x.asked {
		x.asked = true
		return nil, false, nil
	}
	return nil, true, x.session.loginExternal(string(response))
}

// loginExternal does not ask whether logins are blocked, nor counts there: a certificate cannot be guessed, and who guesses at
// the account's password is not to keep its server out. wanted is "" or the account to be.
func (s *session) loginExternal(wanted string) error {
	g := s.guard
	name := identity(g.secure.PeerCertificates[0])
	known, err := g.srv.opts.Accounts.Has(name)
	reason := ""
	switch {
	case err != nil:
		return s.cannotCheck(err)
	case name == "":
		reason = "The client certificate has neither a mail address nor a common name"
	case !known:
		reason = "The name in the client certificate is not an account here"
	case wanted != "" && wanted != name:
		reason = "The client certificate is for another account: leave the authorization identity empty"
	default:
		return g.logIn(name)
	}
	g.failedLogins++
	g.srv.opts.Log.Warn("login failed", "client", clientText(g.client), "certificate", name, "reply", reason, "attempt", g.failedLogins)
	return smtpReply(535, "5.7.8", reason)
}
