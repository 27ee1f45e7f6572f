package tlspolicy

import (
	"crypto/tls"
	"sync"
	"time"
)

const (
	maxSessions = 1000 // remembered for each decision key

	// sessionPeriod is how long a session may be resumed at most: who resumes one is not asked for the certificate again, and
	// neither TLS 1.2 nor a chain of resumptions has an end of its own. All sessions of a period end with it.
	sessionPeriod = time.Hour
)

// sessions remembers TLS sessions, those of each decision key apart: crypto/tls looks them up by the server's name alone, and
// a session that was made under one decision says nothing about another. There are as many keys as levels and floors.
type sessions struct {
	mu    sync.Mutex
	byKey map[string]tls.ClientSessionCache
}

func (s *sessions) of(key string) tls.ClientSessionCache {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byKey[key]
	if c == nil {
		if s.byKey == nil {
			s.byKey = make(map[string]tls.ClientSessionCache)
		}
		c = tls.NewLRUClientSessionCache(maxSessions)
		s.byKey[key] = c
	}
	return c
}

// period is the part of a cache that is of use at one time.
type period struct {
	cache tls.ClientSessionCache
	name  string
}

func (s *sessions) during(key string, now time.Time) tls.ClientSessionCache {
	return period{s.of(key), now.UTC().Truncate(sessionPeriod).Format(" 2006-01-02 15")}
}

// Get implements [tls.ClientSessionCache].
func (p period) Get(server string) (*tls.ClientSessionState, bool) {
	return p.cache.Get(server + p.name)
}

// Put implements [tls.ClientSessionCache].
func (p period) Put(server string, s *tls.ClientSessionState) { p.cache.Put(server+p.name, s) }
