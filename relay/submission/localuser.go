package submission

import (
	"net"
	"os/user"
	"strconv"
	"sync"
	"time"
)

// localAccount stands before the name of a local user, to tell such accounts from those of AUTH.
const localAccount = "local/"

// identify notes which user of this machine is at a socket. He may relay: by the permissions of the socket he is let in,
// as by a listed network. One whom the kernel does not tell gets no account, and so may not.
func (g *guard) identify(conn net.Conn) {
	peer, ok := conn.(*net.UnixConn)
	if !ok {
		return
	}
	uid, err := peerUID(peer)
	if err != nil {
		g.srv.opts.Log.Error("cannot tell which user is at the socket", "error", err)
		return
	}
	g.userID = strconv.FormatUint(uint64(uid), 10)
	g.account = localAccount + g.srv.users.name(g.userID, time.Now())
}

// userNames remembers the names of local users, because a system may ask a directory server for each. The zero value is
// ready for use by many goroutines.
type userNames struct {
	mu    sync.Mutex
	known map[string]userName // by user ID
}

type userName struct {
	name  string
	until time.Time
}

const (
	userNameTime = time.Minute // a name is believed so long
	maxUserNames = 10_000      // with more, all are forgotten
)

// name gives the name of a user, or the ID if there is none.
func (u *userNames) name(id string, now time.Time) string {
	u.mu.Lock()
	known, ok := u.known[id]
	u.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.name
	}
	name := id
	if found, err := user.LookupId(id); err == nil && found.Username != "" {
		name = found.Username
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil || len(u.known) >= maxUserNames {
		u.known = map[string]userName{}
	}
	u.known[id] = userName{name, now.Add(userNameTime)}
	return name
}
