package notice

import (
	"bytes"
	"fmt"
	"mime/quotedprintable"
	"strings"

	"tlsrelay/queue"
)

const (
	headerColumns = 78           // of folded header fields, RFC 5322, 2.1.1
	maxField      = 900          // octets of a field's value: its line stays below 998 even without a blank
	maxPath       = 64 + 1 + 255 // octets of an address, RFC 5321, 4.5.3.1
	maxAddress    = 2*maxPath + 200
)

// part is one part of the notice: headers and content, which ends its lines in CRLF and is 7-bit.
type part struct {
	contentType string // with further fields behind it, each after CRLF
	description string
	content     []byte
}

// textPart is what people read. Quoted-printable keeps it 7-bit on any way.
func textPart(text string, list []*texts) part {
	keys := make([]string, len(list))
	for i, t := range list {
		keys[i] = t.key
	}
	return part{
		contentType: "text/plain; charset=utf-8" + quotedField + "\r\nContent-Language: " + strings.Join(keys, ", "),
		description: "Notification",
		content:     quotedPrintable([]byte(strings.ReplaceAll(text, "\n", "\r\n"))),
	}
}

// quotedField is the further field of a part that went through quotedPrintable.
const quotedField = "\r\nContent-Transfer-Encoding: quoted-printable"

// quotedPrintable encodes text whose lines end in CRLF (RFC 2045, 6.7).
func quotedPrintable(text []byte) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write(text) // a bytes.Buffer does not fail
	_ = w.Close()
	return b.Bytes()
}

// freeBoundary finds a boundary that no part contains.
func freeBoundary(id queue.ID, parts []part) string {
	for i := 0; ; i++ {
		boundary := fmt.Sprintf("=_%s_%d", id, i)
		free := true
		for _, p := range parts {
			free = free && !bytes.Contains(p.content, []byte(boundary))
		}
		if free {
			return boundary
		}
	}
}

// builder writes header fields and lines.
type builder struct{ bytes.Buffer }

func (b *builder) line(s string) { b.WriteString(s + "\r\n") }

// field writes a header field of at most max octets, made ASCII and folded at blanks (RFC 5322, 2.2.3). The value
// comes out as one field, whatever it contains.
func (b *builder) field(name, value string, max int) {
	b.WriteString(name + ":")
	width := len(name) + 1
	for i, word := range strings.Fields(ascii(value, max)) {
		if i > 0 && width+1+len(word) > headerColumns {
			b.WriteString("\r\n")
			width = 0
		}
		b.WriteString(" " + word)
		width += 1 + len(word)
	}
	b.line("")
}

// verbatim writes a header field with a value in which blanks count. One that does not fit a line is written by field.
func (b *builder) verbatim(name, value string) {
	if len(name)+len(": ")+len(value) > maxLine || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		b.field(name, value, maxField)
		return
	}
	b.line(name + ": " + value)
}

func (b *builder) part(boundary string, p part) {
	b.line("--" + boundary)
	b.line("Content-Type: " + p.contentType)
	b.line("Content-Description: " + p.description)
	b.line("")
	b.Write(p.content)
	b.line("") // belongs to the boundary
}
