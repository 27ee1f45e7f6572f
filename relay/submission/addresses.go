package submission

import (
	"fmt"
	"net/netip"
	"sync"
)

// addresses counts the open connections of each client address. It holds addresses with an open connection only, so the
// cap of all connections bounds it, too.
type addresses struct {
	most int // connections of one address

	mu   sync.Mutex
	open map[netip.Prefix]*addressCount
}

type addressCount struct {
	connections int
	refusing    bool // refusals were noted; until the half of the places is free again, they go on
}

func newAddresses(most int) *addresses {
	return &addresses{most: most, open: map[netip.Prefix]*addressCount{}}
}

// enter takes a place for a client. Not ok: all its places are taken; first says that this was not so just before, and
// is worth a line in the log.
func (a *addresses) enter(client netip.Addr) (ok, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := oneClient(client)
	c := a.open[key]
	switch {
	case c == nil:
		c = &addressCount{}
		a.open[key] = c
	case c.connections >= a.most:
		first = !c.refusing
		c.refusing = true
		return false, first
	}
	c.connections++
	return true, false
}

// leave gives back what enter took.
func (a *addresses) leave(client netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := oneClient(client)
	c := a.open[key]
	c.connections--
	c.refusing = c.refusing && c.connections > a.most/2
	if c.connections == 0 {
		delete(a.open, key)
	}
}

// oneClient is what counts as one client: an IPv4 address, or an IPv6 /64, of which a single host has as many addresses as
// it likes.
func oneClient(client netip.Addr) netip.Prefix {
	bits := 64
	if client.Is4() {
		bits = 32
	}
	p, _ := client.Prefix(bits) // fails for more bits than there are
	return p
}

// counts reports whether the connections of a client are counted: those of listed networks are not, since behind one
// of their addresses a whole site may hand in its mail, nor are those that do not come over a network.
func (l *Listener) counts(client netip.Addr) bool { return client.IsValid() && !l.lists(client) }

// welcome takes a place for the client of g, or tells it that there is none.
func (s *Server) welcome(g *guard) bool {
	if !g.on.counts(g.client) {
		return true
	}
	ok, first := s.addresses.enter(g.client)
	if ok {
		return true
	}
	if first {
		s.opts.Log.Warn("connections refused: too many from one address", "client", clientText(g.client),
			"at_most", s.opts.ConnectionsPerAddress)
	}
	s.turnAway(g.wire, g.on, fmt.Sprintf("421 4.7.0 %s has too many connections from your address (at most %d), try again later",
		s.opts.Hostname, s.opts.ConnectionsPerAddress))
	return false
}

// leave gives back what welcome took.
func (s *Server) leave(g *guard) {
	if g.on.counts(g.client) {
		s.addresses.leave(g.client)
	}
}
