package relay

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"tlsrelay/configs"
)

// NewLog makes the log that the configuration asks for, on standard error.
func NewLog(cfg *configs.Config) *slog.Logger { return newLog(cfg, os.Stderr) }

// newLog writes lines without a control character, bidirectional marks among them, whatever is logged.
func newLog(cfg *configs.Config, w io.Writer) *slog.Logger {
	if cfg.Log.Format == configs.LogJSON {
		return slog.New(slog.NewJSONHandler(escaper{w}, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil)) // quotes and escapes
}

// escaper writes JSON so that it does a terminal no harm: package json leaves the control characters beyond ASCII, which begin
// commands as ESC does, and all format characters as they are. What the JSON says stays the same.
type escaper struct{ io.Writer }

// Write implements [io.Writer]. b is a whole object.
func (e escaper) Write(b []byte) (int, error) {
	if !bytes.ContainsFunc(b, func(r rune) bool { return r > '~' }) {
		return e.Writer.Write(b) // as nearly always
	}
	escaped := make([]byte, 0, len(b))
	for left := b; len(left) > 0; {
		r, n := utf8.DecodeRune(left)
		switch {
		case r == '\n', unicode.IsPrint(r) && r != utf8.RuneError:
			escaped = append(escaped, left[:n]...)
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				escaped = fmt.Appendf(escaped, `\u%04x`, unit)
			}
		}
		left = left[n:]
	}
	if _, err := e.Writer.Write(escaped); err != nil {
		return 0, err
	}
	return len(b), nil
}
