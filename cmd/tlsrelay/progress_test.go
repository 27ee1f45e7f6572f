package main

import (
	"bytes"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	var terminal bytes.Buffer
	now := time.Unix(0, 0)
	p := startProgress(&terminal, func() time.Time { return now })
	wantShown := func(want string) {
		t.Helper()
		if got := terminal.String(); got != want {
			t.Errorf("after %v: %q, want %q", now.Sub(time.Unix(0, 0)), got, want)
		}
		terminal.Reset()
	}
	p.step(1000)
	now = now.Add(progressAfter - 1)
	p.step(1000)
	p.clear()
	wantShown("")
	now = now.Add(1)
	p.step(1000)
	wantShown("3 messages, 3.0 KB")
	now = now.Add(progressEvery / 2)
	p.step(1000)
	wantShown("")
	now = now.Add(progressEvery / 2)
	p.step(1000)
	wantShown("\r\x1b[K5 messages, 5.0 KB")
	p.clear()
	p.clear()
	wantShown("\r\x1b[K")
}

func TestProgressNeedsATerminal(t *testing.T) {
	var log bytes.Buffer
	p := newProgress(&log)
	p.next = time.Time{}
	p.step(1)
	p.clear()
	if log.Len() > 0 {
		t.Errorf("%q", log.String())
	}
}
