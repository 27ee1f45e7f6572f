package dovecot

import (
	"log/slog"
	"sync"
	"time"
)

// logEvery is how often trouble is logged at most, however many logins run into it.
const logEvery = time.Minute

// trouble keeps the log short while Dovecot is out of order.
type trouble struct {
	log *slog.Logger

	mu     sync.Mutex
	logged time.Time // when it was, last
	told   bool      // the log says that there is trouble, and not yet that it is over
	untold int       // failures since
}

// note tells of a login that could not be checked.
func (t *trouble) note(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if !t.logged.IsZero() && now.Sub(t.logged) < logEvery {
		t.untold++
		return
	}
	t.log.Error("logins cannot be checked by Dovecot", "error", err, "unlogged", t.untold)
	t.logged, t.told, t.untold = now, true, 0
}

// over tells of a login that could be checked.
func (t *trouble) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told {
		t.log.Info("Dovecot checks logins again")
		t.told = false
	}
}
