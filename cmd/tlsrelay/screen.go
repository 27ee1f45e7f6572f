package main

import (
	"io"
	"unicode"
	"unicode/utf8"
)

// shownOn gives a writer for text of strangers: a terminal does not get what is a command to it, anything else gets all.
func shownOn(w io.Writer) io.Writer {
	if isTerminal(w) {
		return &screen{w: w}
	}
	return w
}

// screen writes a "?" for each control and format character and for what is no UTF-8. Lines end in LF.
type screen struct {
	w    io.Writer
	rest []byte // of a character that is not complete
}

// Write implements [io.Writer].
func (s *screen) Write(b []byte) (int, error) {
	text := append(s.rest, b...)
	var shown []byte
	for utf8.FullRune(text) {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\r':
		case r == '\n', r == '\t', unicode.IsPrint(r) && r != utf8.RuneError:
			shown = append(shown, text[:n]...)
		default:
			shown = append(shown, '?')
		}
		text = text[n:]
	}
	s.rest = append([]byte(nil), text...)
	if _, err := s.w.Write(shown); err != nil {
		return 0, err
	}
	return len(b), nil
}
