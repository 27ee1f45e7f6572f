package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"tlsrelay/relay/message"
)

// dropped are the fields that no recipient may see, or that are not the sender's to write (RFC 5321, 4.4: Return-Path).
// Postfix drops the same.
var dropped = []string{"Bcc", "Resent-Bcc", "Return-Path", "Content-Length"}

// letter is a message apart: its header field by field, its body where it lies.
type letter struct {
	text   *held
	fields []message.Field
}

func readLetter(text *held) (*letter, error) {
	fields, _, _, err := split(text)
	var bad *message.Error
	if errors.As(err, &bad) {
		return nil, fail(exitDataErr, "nothing was sent: %s", bad.Text)
	}
	return &letter{text, fields}, err
}

// split reads as far as the body; first is its first line, if the header ended with that.
func split(text *held) (fields []message.Field, first []byte, rest *bufio.Reader, err error) {
	rest = bufio.NewReader(text.open())
	if err := skipMailboxLine(rest); err != nil {
		return nil, nil, nil, err
	}
	fields, first, err = message.ReadHeader(rest)
	return fields, first, rest, err
}

// skipMailboxLine skips the "From " line with which a mailbox file begins a message.
func skipMailboxLine(r *bufio.Reader) error {
	if start, _ := r.Peek(len("From ")); string(start) != "From " { // a shorter message shows its end later
		return nil
	}
	for {
		_, err := r.ReadSlice('\n')
		switch {
		case err == nil || err == io.EOF:
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// recipients gives the addresses of the header: those of To, Cc and Bcc or, in a message that was sent on, of the fields of
// the same names behind Resent- (RFC 5322, 3.6.6).
func (l *letter) recipients() ([]string, error) {
	names := []string{"To", "Cc", "Bcc"}
	resent := []string{"Resent-To", "Resent-Cc", "Resent-Bcc"}
	if slices.ContainsFunc(l.fields, func(f message.Field) bool { return isOneOf(f, resent) }) {
		names = resent
	}
	var all []string
	for _, f := range l.fields {
		if !isOneOf(f, names) {
			continue
		}
		found, err := addresses(f.Value())
		if err != nil {
			return nil, fail(exitDataErr, "nothing was sent: the field %s cannot be understood: %v", f.Name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func isOneOf(f message.Field, names []string) bool { return slices.ContainsFunc(names, f.Is) }

// writeTo sends the message in the form of DATA (RFC 5321, 4.5.2), without the final dot: lines end in CR LF, dots at their
// start are doubled. From is a field to add if there is none.
func (l *letter) writeTo(w *bufio.Writer, from string) error {
	_, first, rest, err := split(l.text)
	if err != nil {
		return err
	}
	hasFrom := false
	for _, f := range l.fields { // they start with a name, so not with a dot, unless they are strange
		hasFrom = hasFrom || f.Is("From")
		if !isOneOf(f, dropped) {
			writeLines(w, f.Raw)
		}
	}
	if !hasFrom {
		w.WriteString(from)
	}
	w.WriteString("\r\n")
	if first != nil {
		writeLines(w, append(first, '\r', '\n'))
	}
	return copyBody(w, rest)
}

// writeLines writes whole lines.
func writeLines(w *bufio.Writer, lines []byte) {
	for line := range bytes.Lines(lines) {
		if line[0] == '.' {
			w.WriteByte('.')
		}
		w.Write(line)
	}
}

// copyBody writes the rest of a message. A line may be of any length.
func copyBody(w *bufio.Writer, r *bufio.Reader) error {
	lineStart, heldCR := true, false
	for {
		piece, err := r.ReadSlice('\n')
		if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if lineStart && len(piece) > 0 && piece[0] == '.' {
			w.WriteByte('.')
		}
		text, ended := bytes.CutSuffix(piece, []byte("\n"))
		if heldCR && len(text) > 0 {
			w.WriteByte('\r') // it was not of a line end; the relay makes it a space
		}
		text, heldCR = cutCR(text, heldCR)
		w.Write(text)
		switch {
		case ended:
			w.WriteString("\r\n")
			heldCR = false
		case err == io.EOF && heldCR:
			w.WriteByte('\r')
		}
		lineStart = ended || lineStart && len(piece) == 0
		if err == io.EOF {
			if !lineStart {
				w.WriteString("\r\n")
			}
			return w.Flush()
		}
	}
}

// cutCR takes a CR from the end of text: the LF may be in the next piece. An empty text tells nothing new.
func cutCR(text []byte, before bool) ([]byte, bool) {
	if len(text) == 0 {
		return text, before
	}
	cut, found := bytes.CutSuffix(text, []byte("\r"))
	return cut, found
}

// oneLine makes text fit for a line of output.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 127 {
			return '?'
		}
		return r
	}, s)
}

// size is how much of the message is to be sent, in bytes, with line ends as they were: rather too little than too much.
func (l *letter) size() int64 {
	n := l.text.size
	for _, f := range l.fields {
		if isOneOf(f, dropped) {
			n -= int64(len(f.Raw))
		}
	}
	return max(n, 0)
}
