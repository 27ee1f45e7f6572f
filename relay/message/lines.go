package message

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// maxLine is the longest line in octets without its CRLF (RFC 5322, 2.1.1).
const maxLine = 998

// lineReader splits a message into lines and repairs them: LF alone ends a line, a CR that is not before LF becomes a
// space. A line that does not fit the buffer of r is far over maxLine, so no line is ever cut.
type lineReader struct {
	r        *bufio.Reader
	n        int  // lines read so far
	eightBit bool // a byte above 127 was seen
}

// next gives a line without its end; the slice is valid until the next call. After the last line the error is io.EOF.
// Errors of the source are returned as they are.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	l.n++
	switch {
	case err == nil:
		line = bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'})
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, ErrLineTooLong.at(l.n)
	case err != io.EOF || len(line) == 0:
		return nil, err
	}
	if len(line) > maxLine {
		return nil, ErrLineTooLong.at(l.n)
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return nil, ErrNUL.at(l.n)
	}
	for i := bytes.IndexByte(line, '\r'); i >= 0; i = bytes.IndexByte(line, '\r') {
		line[i] = ' '
	}
	l.eightBit = l.eightBit || hasEightBit(line)
	return line, nil
}

func hasEightBit(b []byte) bool {
	const high = 0x8080808080808080 // of eight bytes at once
	for ; len(b) >= 8; b = b[8:] {
		if binary.NativeEndian.Uint64(b)&high != 0 {
			return true
		}
	}
	for _, c := range b {
		if c > 127 {
			return true
		}
	}
	return false
}
