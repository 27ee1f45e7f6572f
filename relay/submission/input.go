package submission

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// errLineTooLong says that a line does not fit in maxAuthLine.
var errLineTooLong = errors.New("line too long")

// input is what the client sent and nobody took yet. The zero input is empty.
type input struct {
	buf  []byte
	r, w int
	big  *[]byte // buf, if it is from the pool of large buffers
	err  error   // of the first failed read; there is no further one
}

// window is what can be taken without reading. It is valid until the next fill.
func (in *input) window() []byte { return in.buf[in.r:in.w] }

func (in *input) skip(n int) { in.r += n }

// line takes one line with its end, or nothing if there is no complete one.
func (in *input) line() []byte {
	i := bytes.IndexByte(in.window(), '\n')
	if i < 0 {
		return nil
	}
	line := in.window()[:i+1]
	in.skip(i + 1)
	return line
}

// fill reads once from src. Errors stay.
func (in *input) fill(src io.Reader) error {
	if in.err == nil {
		in.err = in.makeRoom()
	}
	if in.err != nil {
		return in.err
	}
	n, err := src.Read(in.buf[in.w:])
	in.w += n
	if n == 0 {
		in.err = err
	}
	return in.err
}

func (in *input) makeRoom() error {
	switch {
	case in.r == in.w:
		in.r, in.w = 0, 0
		if in.big == nil && len(in.buf) != smallBuffer {
			in.buf = make([]byte, smallBuffer)
		}
	case in.w < len(in.buf):
	case in.r > 0:
		in.w = copy(in.buf, in.window())
		in.r = 0
	case len(in.buf) >= maxAuthLine:
		return errLineTooLong
	default:
		in.buf = append(in.buf, make([]byte, min(len(in.buf), maxAuthLine-len(in.buf)))...)
	}
	return nil
}

// enlarge moves to a large buffer, for the content of a message.
func (in *input) enlarge(pool *sync.Pool) {
	in.big = pool.Get().(*[]byte)
	in.w = copy(*in.big, in.window())
	in.r, in.buf = 0, *in.big
}

// shrink gives the large buffer back. What is left in it moves to one that it fits in.
func (in *input) shrink(pool *sync.Pool) {
	buf := make([]byte, max(smallBuffer, len(in.window())))
	in.w = copy(buf, in.window())
	in.r, in.buf = 0, buf
	pool.Put(in.big)
	in.big = nil
}
