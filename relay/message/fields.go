package message

import (
	"bufio"
	"bytes"
	"strings"
)

// Field is one field of a header.
type Field struct {
	Name string // as it is spelled
	Raw  []byte // its lines, each with CRLF
}

// Is reports whether the field has this name. Case does not count.
func (f Field) Is(name string) bool { return strings.EqualFold(f.Name, name) }

// Value gives what stands behind the colon, in one line (RFC 5322, 2.2.3).
func (f Field) Value() string {
	_, value, _ := strings.Cut(string(f.Raw), ":")
	return strings.TrimSpace(strings.ReplaceAll(value, "\r\n", ""))
}

// ReadHeader reads the header of a message and the empty line behind it from r, whose buffer must hold more than 1000 bytes.
// It repairs and refuses as [Prepare] does, by an [*Error]. A line that can stand in no header ends it, too; that line is
// handed back, and is the first of the body. What is left in r is the rest of the body, as it came.
func ReadHeader(r *bufio.Reader) (fields []Field, first []byte, err error) {
	h, first, err := readHeader(&lineReader{r: r})
	if err != nil {
		return nil, nil, err
	}
	for line := range bytes.Lines(h.raw) {
		if n := len(fields); n > 0 && continues(line) {
			fields[n-1].Raw = append(fields[n-1].Raw, line...)
			continue
		}
		fields = append(fields, Field{fieldName(line), bytes.Clone(line)})
	}
	return fields, bytes.Clone(first), nil
}
