package configs

import "slices"

// accounts judges where passwords are checked, and makes the path of the socket absolute.
func (k check) accounts() {
	const path = "accounts.dovecot"
	k.path(&k.c.Accounts.Dovecot)
	switch socket := k.c.Accounts.Dovecot; {
	case socket == "" || !k.ok(path):
	case socket == "/":
		k.problem(path, "names no socket; write the path of Dovecot's, such as \"/run/dovecot/auth-client\"")
	case len(socket) > maxSocketPath:
		k.problem(path, "the path of a socket has room for %d bytes, this one has %d", maxSocketPath, len(socket))
	case k.ok("listener") && !slices.ContainsFunc(k.c.Listeners, func(l Listener) bool { return l.Auth != AuthOff }):
		k.problem(path, "has no effect, because no [[listener]] lets clients log in; write auth = \"optional\" or \"required\" in one, "+
			"or leave dovecot out")
	}
}
