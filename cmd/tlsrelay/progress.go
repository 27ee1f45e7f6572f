package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

const (
	progressAfter = 3 * time.Second // a command that is done sooner shows nothing
	progressEvery = time.Second
)

// progress shows a person how far a long command has come, in one line that changes.
type progress struct {
	terminal io.Writer // nil: nobody looks
	now      func() time.Time
	next     time.Time // when to show again
	shown    bool

	messages int
	bytes    int64
}

// newProgress shows it on w if that is a terminal.
func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		w = nil
	}
	return startProgress(w, time.Now)
}

func startProgress(terminal io.Writer, now func() time.Time) *progress {
	return &progress{terminal: terminal, now: now, next: now().Add(progressAfter)}
}

// step counts a message.
func (p *progress) step(size int64) {
	p.messages++
	p.bytes += size
	if p.terminal == nil || p.now().Before(p.next) {
		return
	}
	p.next = p.now().Add(progressEvery)
	p.clear()
	fmt.Fprintf(p.terminal, "%d %s, %s", p.messages, plural(p.messages, "message"), bytesText(p.bytes))
	p.shown = true
}

// clear takes the line away, for other text or the end.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.terminal, "\r\x1b[K")
		p.shown = false
	}
}
