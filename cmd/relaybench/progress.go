//go:build linux

package main

import (
	"fmt"
	"io"
	"time"
)

// progress tells what long work is at, not too often.
type progress struct {
	w    io.Writer
	name string
	last time.Time
}

// progressPause is the least time between two lines about the same work.
const progressPause = 5 * time.Second

func newProgress(w io.Writer, name string) *progress { return &progress{w: w, name: name} }

// quiet has the first line wait its time, too.
func (p *progress) quiet() *progress {
	p.last = time.Now()
	return p
}

// say prints a line in any case.
func (p *progress) say(format string, args ...any) {
	fmt.Fprintf(p.w, "%-8s %s\n", p.name, fmt.Sprintf(format, args...))
	p.last = time.Now()
}

// tick prints a line if it is time again.
func (p *progress) tick(format string, args ...any) {
	if time.Since(p.last) >= progressPause {
		p.say(format, args...)
	}
}
