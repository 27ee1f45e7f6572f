package queue

import (
	"testing"
	"time"
)

// woken reports whether the scheduler would be woken, once.
func woken(in *inbox) bool {
	select {
	case <-in.wake:
		return true
	default:
		return false
	}
}

func TestInbox(t *testing.T) {
	in := newInbox()
	one := news{jobs: []DueJob{dueJob(1, "a.test", time.Unix(0, 0))}}
	in.put(one)
	if woken(in) || len(in.take().jobs) > 0 {
		t.Error("a closed inbox took something")
	}

	in.setOpen(true)
	in.put(news{})
	if woken(in) {
		t.Error("woken for nothing")
	}
	in.put(one)
	in.put(news{retried: one.jobs})
	if !woken(in) || woken(in) {
		t.Error("not woken once for two")
	}
	if n := in.take(); len(n.jobs) != 1 || len(n.retried) != 1 {
		t.Errorf("took %+v", n)
	}

	in.rest()
	for range maxQuiet - 1 {
		in.put(one)
	}
	if woken(in) {
		t.Error("woken at rest")
	}
	in.put(one)
	if !woken(in) {
		t.Error("too much gathers unseen")
	}
	if n := in.take(); len(n.jobs) != maxQuiet {
		t.Errorf("took %d", len(n.jobs))
	}
	in.put(one)
	if !woken(in) {
		t.Error("still at rest after take")
	}

	in.setOpen(false)
	if len(in.take().jobs) > 0 {
		t.Error("closed, and something is left")
	}
}
