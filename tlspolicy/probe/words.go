package probe

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
)

// words says for people what went wrong. Words of the remote may be in an error: they lose what is not printable ASCII, and
// their length is bounded.
func words(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return stopped
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the server closed the connection"
	}
	return clean(err.Error(), maxWords)
}

func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), 4*limit)])
	if len(s) > limit {
		s = s[:limit-3] + "..."
	}
	return s
}
