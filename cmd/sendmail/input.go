package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
)

// keepInMemory is how much of a message is not written to a file, in bytes: more than the largest header.
const keepInMemory = 128 << 10

// held is a whole message as it was read. It is read to its end before the relay hears of it, because who writes it may
// take hours, as a job of cron does, and a relay does not wait so long. A long message waits in a file without a name,
// which is gone with this process.
type held struct {
	start []byte
	rest  *os.File // nil if start is all
	size  int64    // in bytes, with line ends as they came
}

// hold reads a message. Unless ignoreDots, a line that is a dot alone ends it, and what follows is not looked at.
func hold(in io.Reader, ignoreDots bool) (*held, error) {
	in = readErrors{in}
	if !ignoreDots {
		in = &untilDot{in: bufio.NewReader(in), lineStart: true}
	}
	h := &held{start: make([]byte, keepInMemory)}
	n, err := io.ReadFull(in, h.start)
	h.start, h.size = h.start[:n], int64(n)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return h, nil
	}
	if err != nil {
		return nil, unheld(err)
	}
	if h.rest, err = os.CreateTemp("", "sendmail-"); err != nil {
		return nil, unheld(err)
	}
	if err = os.Remove(h.rest.Name()); err == nil {
		var more int64
		more, err = io.Copy(h.rest, in)
		h.size += more
	}
	if err != nil {
		h.close()
		return nil, unheld(err)
	}
	return h, nil
}

// unheld tells trouble with what is read from trouble with where it is kept.
func unheld(err error) error {
	var read *readError
	if errors.As(err, &read) {
		return fail(exitNoInput, "the message cannot be read; nothing was sent: %v", read.err)
	}
	return fail(exitCantCreat, "the message is too long for memory and cannot be kept in a file; nothing was sent: "+
		"make room, or name another folder by TMPDIR (%v)", err)
}

// open gives the message from its beginning.
func (h *held) open() io.Reader {
	if h.rest == nil {
		return bytes.NewReader(h.start)
	}
	return io.MultiReader(bytes.NewReader(h.start), io.NewSectionReader(h.rest, 0, h.size-int64(len(h.start))))
}

func (h *held) close() {
	if h.rest != nil {
		h.rest.Close()
	}
}

// readErrors marks the errors of a source.
type readErrors struct{ in io.Reader }

type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }

func (r readErrors) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

// untilDot ends where a line is a dot alone, be its end LF or CR LF.
type untilDot struct {
	in        *bufio.Reader
	lineStart bool
	piece     []byte // read, and not handed out yet
	err       error  // behind the piece
}

func (u *untilDot) Read(p []byte) (int, error) {
	for len(u.piece) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		u.next()
	}
	n := copy(p, u.piece)
	u.piece = u.piece[n:]
	return n, nil
}

// next reads a line, or a piece of one that is longer than the buffer.
func (u *untilDot) next() {
	piece, err := u.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	line, ended := bytes.CutSuffix(piece, []byte("\n"))
	if u.lineStart && string(bytes.TrimSuffix(line, []byte("\r"))) == "." {
		u.err = io.EOF
		return
	}
	u.lineStart, u.piece, u.err = ended, piece, err
}
