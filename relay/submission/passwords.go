package submission

import (
	"net"
	"net/netip"
	"time"

	"tlsrelay/relay/submission/dovecot"
)

// dovecotDelay is longer than Dovecot holds back its answer to a wrong password, which is two seconds unless it is told
// otherwise. With Dovecot, each wrong password waits that long, or the time would tell whose accounts are the relay's own.
const dovecotDelay = 3 * time.Second

// leastDelay is the least time that the answer to a wrong password takes.
func (s *Server) leastDelay() time.Duration {
	if s.opts.Dovecot == nil {
		return 0
	}
	return dovecotDelay
}

// checkPassword compares a password with that of an account here, or else asks Dovecot. user is the account it belongs to. A name
// that is an account here is never Dovecot's: a password there must not open what `user add` and its certificates guard.
func (s *session) checkPassword(name, password string) (user string, ok bool, err error) {
	o, here := &s.guard.srv.opts, true
	if o.Dovecot != nil {
		if here, err = o.Accounts.Has(name); err != nil {
			return "", false, err
		}
	}
	if !here {
		return s.askDovecot(name, password)
	}
	ok, err = o.Accounts.Verify(name, password)
	return name, ok, err
}

// askDovecot does so, and refuses a user that Dovecot finds under another name than was asked for, if that is an account here.
func (s *session) askDovecot(name, password string) (user string, ok bool, err error) {
	g := s.guard
	user, ok, err = g.srv.opts.Dovecot.Check(g.srv.running, dovecot.Login{
		Name: name, Password: password, Client: g.client, Local: localOf(g.wire),
	})
	if err != nil || !ok || user == name {
		return user, ok, err
	}
	here, err := g.srv.opts.Accounts.Has(user)
	if here {
		g.srv.opts.Log.Warn("login refused: for Dovecot the user is another, who has an account of the relay's own",
			"client", clientText(g.client), "account", user)
	}
	return user, !here, err
}

// localOf gives the address that a client connected to; it is invalid if it is not one of a network.
func localOf(conn net.Conn) netip.Addr {
	if a, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr()
	}
	return netip.Addr{}
}
