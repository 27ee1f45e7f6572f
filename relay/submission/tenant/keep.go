package tenant

import (
	"context"
	"log/slog"
	"time"
)

// The pause between two rounds of Keep, and the first: a relay that dies young must not forget what was sent either.
const (
	firstPause = 5 * time.Second
	pause      = time.Minute
)

// Keep saves what was counted to the file at path every minute, logs summaries of refusals, and forgets tenants that
// are idle, until ctx ends. Who stops the relay calls [Tenants.Save] once more, when no mail comes in any longer.
func (t *Tenants) Keep(ctx context.Context, path string, log *slog.Logger) {
	for wait := firstPause; ; wait = min(2*wait, pause) {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			t.summarize(log)
			return
		case <-timer.C:
		}
		t.summarize(log)
		t.dropIdle()
		if err := t.Save(path); err != nil {
			log.Error(err.Error())
		}
	}
}

func (t *Tenants) summarize(log *slog.Logger) {
	now := t.now()
	for _, m := range t.all() {
		m.summarize(now, log)
	}
}
