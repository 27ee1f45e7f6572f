package notice

import (
	"bytes"
	"io"
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"

	"tlsrelay/queue"
)

// maxReturned is the largest message in octets that a notice returns whole; of a larger one it returns the header.
const maxReturned = 64 << 10

// maxLine is the longest line in octets without its CRLF (RFC 5322, 2.1.1).
const maxLine = 998

// returned is what a notice gives back of the message that it is about.
type returned struct {
	whole     []byte // nil if only the header is returned
	header    []byte // lines end in CRLF; empty if the message could not be had
	global    bool   // whole and header are UTF-8; else both are ASCII
	messageID string // "" if it has none that can be quoted
	subject   string
}

// readReturned reads as much of the message as a notice needs. The message is returned whole if that is wanted, if it is
// small, and if it can stand in a 7-bit part: then the notice itself needs no 8BITMIME. smtputf8 says that it was sent with
// SMTPUTF8. Then it can in any case, encoded, because that is allowed for message/global (RFC 6533, 4).
func readReturned(r io.Reader, whole, smtputf8 bool) (returned, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxReturned+1))
	if err != nil {
		return returned{}, err
	}
	raw := headerOf(b)
	ret := returned{header: raw, messageID: messageID(raw), subject: subject(raw)}
	ret.global = smtputf8 && !sevenBit(raw) && isText(raw)
	if !ret.global {
		ret.header = asciiLines(raw)
	}
	if whole && len(b) > 0 && len(b) <= maxReturned && (sevenBit(b) || ret.global && hasCRLF(b)) {
		ret.whole = b
	}
	return ret, nil
}

// mayReturnWhole reports whether the sender lets a notice give back the whole message (RFC 3461, 4.3; RFC 8689, 5).
func mayReturnWhole(item *queue.Item) bool {
	return item.Return != queue.ReturnHeaders && !item.RequireTLS
}

// parts is the third part of the notice, if there is anything to return.
func (r returned) parts() []part {
	const whole, header = "Undelivered message", "Header of the message"
	switch {
	case r.whole != nil && r.global:
		return []part{{"message/global" + quotedField, whole, quotedPrintable(r.whole)}}
	case r.whole != nil:
		return []part{{"message/rfc822", whole, r.whole}}
	case len(r.header) > 0 && r.global:
		return []part{{"message/global-headers" + quotedField, header, quotedPrintable(r.header)}}
	case len(r.header) > 0:
		return []part{{"text/rfc822-headers", header, r.header}}
	}
	return nil
}

// kind tells the templates what is returned.
func (r returned) kind() string {
	switch {
	case r.whole != nil:
		return "message"
	case len(r.header) > 0:
		return "header"
	}
	return ""
}

// headerOf cuts the header from the start of a message, without the empty line. Where that does not come, the last
// line goes: it may be cut.
func headerOf(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return nil
	}
	if end := bytes.Index(b, []byte("\r\n\r\n")); end >= 0 {
		return b[:end+2]
	}
	return b[:bytes.LastIndexByte(b, '\n')+1]
}

// asciiLines makes a header fit for a 7-bit part: what is no printable ASCII becomes "?", lines end at 998 octets and
// in CRLF.
func asciiLines(header []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(header) {
		line = bytes.TrimSuffix(line, []byte("\r\n"))
		for _, c := range line[:min(len(line), maxLine)] {
			if (c < ' ' || c > '~') && c != '\t' {
				c = '?'
			}
			out.WriteByte(c)
		}
		out.WriteString("\r\n")
	}
	return out.Bytes()
}

// sevenBit reports whether b can stand in a 7-bit part as it is (RFC 2045, 2.7).
func sevenBit(b []byte) bool {
	for line := range bytes.Lines(b) {
		text, ok := bytes.CutSuffix(line, []byte("\r\n"))
		if !ok || len(text) > maxLine {
			return false
		}
		for _, c := range text {
			if c == 0 || c == '\r' || c > 127 {
				return false
			}
		}
	}
	return true
}

// isText reports whether a header is UTF-8 without control characters (RFC 6532, 3.2).
func isText(header []byte) bool {
	for line := range bytes.Lines(header) {
		text, ok := bytes.CutSuffix(line, []byte("\r\n"))
		if !ok || !utf8.Valid(text) || bytes.ContainsFunc(text, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
			return false
		}
	}
	return true
}

// hasCRLF reports whether CR and LF come only together: what quoted-printable keeps as ends of lines.
func hasCRLF(b []byte) bool {
	pairs := bytes.Count(b, []byte("\r\n"))
	return bytes.Count(b, []byte("\r")) == pairs && bytes.Count(b, []byte("\n")) == pairs
}

// messageID takes the message ID from a header, with its angle brackets.
func messageID(header []byte) string {
	id := fieldValue(header, "Message-ID")
	if len(id) < 3 || len(id) > maxField || strings.LastIndexByte(id, '<') != 0 || strings.IndexByte(id,
		'>') != len(id)-1 ||
		!isASCII(id) || strings.ContainsAny(id, " \t") {
		return ""
	}
	return id
}

// subject takes the subject from a header as people read it; with an encoding that is not known here, as it is written.
func subject(header []byte) string {
	const maxSubject = 200
	raw := fieldValue(header, "Subject")
	if s, err := new(mime.WordDecoder).DecodeHeader(raw); err == nil {
		raw = s
	}
	return plain(raw, maxSubject)
}

// fieldValue gives the unfolded value of the first field of that name, without blanks around it.
func fieldValue(header []byte, name string) string {
	var value strings.Builder
	found := false
	for line := range strings.SplitSeq(string(header), "\r\n") {
		if found {
			if line == "" || line[0] != ' ' && line[0] != '\t' {
				break
			}
			value.WriteString(line)
			continue
		}
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimRight(n, " \t"), name) {
			found = true
			value.WriteString(v)
		}
	}
	return strings.TrimSpace(value.String())
}
