package submission

import (
	"fmt"
	"net/netip"
	"sync"

	"tlsrelay/relay/party"
)

// places counts the open connections of each holder. It holds those with an open connection only, so the cap of all
// connections bounds it, too.
type places struct {
	mu   sync.Mutex
	open map[holder]*taken
}

// holder is who has places: a party of the network, or a local user at a socket.
type holder struct {
	network netip.Prefix
	userID  string
}

type taken struct {
	connections int
	refusing    bool // refusals were noted; until the half of the places is free again, they go on
}

func newPlaces() *places { return &places{open: map[holder]*taken{}} }

// enter takes one of most places for a client. Not ok: all are taken; first says that this was not so just before, and is
// worth a line in the log.
func (a *places) enter(who holder, most int) (ok, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.open[who]
	switch {
	case c == nil:
		c = &taken{}
		a.open[who] = c
	case c.connections >= most:
		first = !c.refusing
		c.refusing = true
		return false, first
	}
	c.connections++
	return true, false
}

// leave gives back what enter took.
func (a *places) leave(who holder, most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.open[who]
	c.connections--
	c.refusing = c.refusing && c.connections > most/2
	if c.connections == 0 {
		delete(a.open, who)
	}
}

// party gives what the client of g counts as, and how many connections that may have; 0: they are not counted, since behind
// one address of a listed network a whole site may hand in its mail. A local user has no network to be told by, and is as
// a rule a web server that sends for many: he may take half of all places, and leaves the others to the rest.
func (g *guard) party() (who holder, most int) {
	o := &g.srv.opts
	switch {
	case g.userID != "":
		return holder{userID: g.userID}, max(o.ConnectionsPerAddress, o.Connections/2)
	case !g.client.IsValid() || g.on.lists(g.client):
		return holder{}, 0
	}
	return holder{network: party.Of(g.client)}, o.ConnectionsPerAddress
}

// welcome takes a place for the client of g, or tells it that there is none.
func (s *Server) welcome(g *guard) bool {
	who, most := g.party()
	if most == 0 {
		return true
	}
	ok, first := s.places.enter(who, most)
	if ok {
		return true
	}
	from := "from your address"
	if who.userID != "" {
		from = "of your user"
	}
	if first {
		s.opts.Log.Warn("connections refused: too many of one client", "client", clientText(g.client), "account", g.account,
			"at_most", most)
	}
	s.turnAway(g.wire, g.on, fmt.Sprintf("421 4.7.0 %s has too many connections %s (at most %d), try again later",
		s.opts.Hostname, from, most))
	return false
}

// leave gives back what welcome took.
func (s *Server) leave(g *guard) {
	if who, most := g.party(); most > 0 {
		s.places.leave(who, most)
	}
}
