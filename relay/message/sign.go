package message

import (
	"bytes"
	"io"
	"iter"
)

// Signer makes header fields that vouch for a message, such as a DKIM signature (RFC 6376).
type Signer interface {
	// Begin is asked once the header of the message with this queue ID is complete; h is valid during the call. nil: the
	// message goes without. An error keeps the message from being accepted.
	Begin(id string, h Header) (Signature, error)
}

// Signature follows the text of one message on its way into the store. Fields or Discard ends it.
type Signature interface {
	io.Writer                // gets the text as it is stored, from the first byte of the header on
	Fields() (string, error) // header fields to stand before the text, with their line ends; "" if there is none after all
	Discard()                // has no effect after Fields
}

// Header is the header of a message as it is stored, without the empty line.
type Header struct {
	added string // by Prepare; stands on top
	came  []byte
}

// HeaderOf takes the header out of a whole message, whose lines end in CRLF.
func HeaderOf(text []byte) Header {
	head, _, found := bytes.Cut(text, []byte("\r\n\r\n"))
	if !found {
		return Header{}
	}
	return Header{came: text[:len(head)+2]}
}

// Fields gives name and body of each field from the top. The body is what stands behind the colon, with its folds and line
// ends.
func (h Header) Fields() iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for _, block := range [][]byte{[]byte(h.added), h.came} {
			for len(block) > 0 {
				end := fieldEnd(block)
				name, body, _ := bytes.Cut(block[:end], []byte{':'})
				if !yield(bytes.TrimRight(name, " \t"), body) {
					return
				}
				block = block[end:]
			}
		}
	}
}

// fieldEnd gives the length of the field that b starts with. All lines of b are complete.
func fieldEnd(b []byte) int {
	for end := 0; ; {
		end += bytes.IndexByte(b[end:], '\n') + 1
		if !continues(b[end:]) {
			return end
		}
	}
}

// sign has the signer follow what goes to dst. The writer is dst itself if there is nothing to sign; then signature is nil.
func (o Options) sign(dst io.Writer, h Header) (w io.Writer, signature Signature, err error) {
	if o.Signer == nil {
		return dst, nil, nil
	}
	signature, err = o.Signer.Begin(o.ID, h)
	if err != nil || signature == nil {
		return dst, nil, err
	}
	return io.MultiWriter(dst, signature), signature, nil
}
