package queue

import "testing"

func TestWindow(t *testing.T) {
	w := newWindow()
	for range 2 * firstWindow {
		w.good(100)
	}
	if w.size != 3*firstWindow {
		t.Errorf("grows to %v", w.size)
	}
	for range 200 {
		w.good(20)
	}
	if w.size != 20 {
		t.Errorf("the ceiling is 20: %v", w.size)
	}
	if w.bad() || w.size != 10 {
		t.Errorf("after trouble: %v", w.size)
	}
	for range 10 {
		w.good(20)
	}
	if w.size < 10.9 || w.size > 11 {
		t.Errorf("a round after trouble: %v", w.size)
	}
	rests := 0
	for rests < 10 && !w.bad() {
		rests++
	}
	if rests != 2 {
		t.Errorf("rests after %d more troubles in a row", rests)
	}
}

func TestOneFailedTrialIsEnough(t *testing.T) {
	w := newWindow()
	w.trial()
	if w.size != 1 || !w.bad() {
		t.Errorf("after a trial failed: %+v", w)
	}
}
