package message

import (
	"bytes"
	"io"
	"strings"
)

// maxHeader bounds the header as submitted, in bytes.
const maxHeader = 100 << 10

// maxReceived is how many hops a message may have behind it. RFC 5321, 6.3 advises 100 for hosts that pass on mail from
// anywhere; a submitted message has few.
const maxReceived = 50

// header is the header block of a message, repaired, without the empty line behind it.
type header struct {
	raw       []byte
	received  int  // how many Received fields
	from      int  // how many From fields
	date      bool // there is a Date field
	hasID     bool // there is a Message-ID field
	messageID string
}

// readHeader reads the header and the empty line behind it. A line that can stand in no header ends it too: that line
// is handed back as the first of the body, valid until the next read; nil means that the body is still to be read.
func readHeader(in *lineReader) (h header, first []byte, err error) {
	idAt := -1
	for {
		line, err := in.next()
		if err == io.EOF || err == nil && len(line) == 0 {
			break
		}
		if err != nil {
			return h, nil, err
		}
		if !(continues(line) && len(h.raw) > 0) {
			name := fieldName(line)
			if name == "" {
				first = line
				break
			}
			if h.note(name) {
				idAt = len(h.raw)
			}
		}
		if len(h.raw)+len(line)+2 > maxHeader {
			return h, nil, ErrHeaderTooLarge
		}
		h.raw = append(append(h.raw, line...), '\r', '\n')
	}
	switch {
	case h.received > maxReceived:
		return h, nil, ErrLoop
	case h.from > 1:
		return h, nil, ErrTwoFrom
	}
	if idAt >= 0 {
		h.messageID = parseMessageID(h.raw[idAt:])
	}
	return h, first, nil
}

// note counts the field; true says that it is the first Message-ID.
func (h *header) note(name string) bool {
	switch strings.ToLower(name) {
	case "received":
		h.received++
	case "from":
		h.from++
	case "date":
		h.date = true
	case "message-id":
		was := h.hasID
		h.hasID = true
		return !was
	}
	return false
}

// continues reports whether a line goes on with the field before it (RFC 5322, 2.2.3).
func continues(line []byte) bool { return len(line) > 0 && (line[0] == ' ' || line[0] == '\t') }

// fieldName gives the name of the field that starts with this line, or "" if it starts none. Blanks before the colon
// are allowed, as in RFC 5322, 4.5: such mail exists.
func fieldName(line []byte) string {
	name, _, found := bytes.Cut(line, []byte{':'})
	name = bytes.TrimRight(name, " \t")
	if !found || len(name) == 0 {
		return ""
	}
	for _, c := range name {
		if c < 33 || c > 126 {
			return ""
		}
	}
	return string(name)
}

// fieldValues gives the values of all fields with a name, in lower case, unfolded (RFC 5322, 2.2.3).
func fieldValues(raw []byte, name string) []string {
	var values []string
	wanted := false // the field that the line belongs to
	for line := range bytes.Lines(raw) {
		text := bytes.TrimSuffix(line, []byte("\r\n"))
		if continues(text) {
			if wanted {
				values[len(values)-1] += string(text)
			}
			continue
		}
		if wanted = strings.ToLower(fieldName(text)) == name; wanted {
			_, value, _ := bytes.Cut(text, []byte{':'})
			values = append(values, string(value))
		}
	}
	return values
}

// parseMessageID reads the value of the field at the start of b: what stands between < and >, with both, or "" if that
// is no message ID that could be quoted elsewhere.
func parseMessageID(b []byte) string {
	_, value, _ := bytes.Cut(b[:fieldEnd(b)], []byte{':'})
	id := strings.TrimSpace(string(value))
	if len(id) < 3 || strings.LastIndexByte(id, '<') != 0 || strings.IndexByte(id, '>') != len(id)-1 {
		return ""
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > 126 {
			return ""
		}
	}
	return id
}
