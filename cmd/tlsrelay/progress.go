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
	if !isTerminal(w) {
		w = nil
	}
	return startProgress(w, time.Now)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func startProgress(terminal io.Writer, now func() time.Time) *progress {
	return &progress{terminal: terminal, now: now, next: now().Add(progressAfter)}
}

// step counts a message.
func (p *progress) step(size int64) {
	p.messages++
	p.bytes += size
	p.show(func() string {
		return fmt.Sprintf("%d %s, %s", p.messages, plural(p.messages, "message"), bytesText(p.bytes))
	})
}

// show shows the text if it is time for that.
func (p *progress) show(text func() string) {
	if p.terminal == nil || p.now().Before(p.next) {
		return
	}
	p.next = p.now().Add(progressEvery)
	p.clear()
	fmt.Fprint(p.terminal, text())
	p.shown = true
}

// clear takes the line away, for other text or the end.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.terminal, "\r\x1b[K")
		p.shown = false
	}
}
