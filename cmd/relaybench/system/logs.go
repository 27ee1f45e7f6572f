//go:build linux

package system

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// logCounter counts a text in log files that grow. Each byte is read once.
type logCounter struct {
	files []string // the last one grows; those before it are complete
	text  []byte

	found, at int
	offset    int64
	rest      []byte // of files[at], what may be the beginning of the text
}

// count gives how often the text stands in the files so far.
func (l *logCounter) count() (int, error) {
	for l.at < len(l.files) {
		if err := l.read(l.files[l.at]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return l.found, err
		}
		if l.at == len(l.files)-1 {
			break
		}
		l.at, l.offset, l.rest = l.at+1, 0, nil
	}
	return l.found, nil
}

func (l *logCounter) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 256<<10)
	for {
		n, err := f.ReadAt(buf, l.offset)
		l.offset += int64(n)
		piece := append(l.rest, buf[:n]...)
		l.found += bytes.Count(piece, l.text)
		l.rest = bytes.Clone(piece[max(0, len(piece)-len(l.text)+1):])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
