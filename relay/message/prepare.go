// Package message prepares a submitted message for its way: every line ends in CRLF, the trace field stands on top,
// and a missing Date or Message-ID is added. It streams: only the header is held in memory, and that is bounded. So a
// signature, which is known when the last byte has passed, is handed back beside the text: see [Info].
//
// What comes out keeps the rule of the wire (RFC 5321, 2.3.8 and RFC 5322, 2.1.1): every CR is followed by LF, every
// LF comes after a CR, there is no NUL, no line is over 998 octets, and the last line is complete. Leading dots are
// content here; the SMTP client doubles them.
package message

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"
)

// Options is what the trace field and the added fields say. Hostname and ID are trusted; Helo, Recipient are not.
type Options struct {
	Hostname string    // this relay
	ID       string    // queue ID; also the left side of a Message-ID that is added
	Now      time.Time // written in its own time zone

	Helo          string     // as the client said it; "" if it said none
	Client        netip.Addr // zero: not over a network
	UserID        string     // of the local user who handed it in at a socket, "" over a network
	TLS           string     // version and cipher for a person, "TLS 1.3, TLS_AES_128_GCM_SHA256"; "" in clear text
	Authenticated bool
	SMTPUTF8      bool   // the client said so (RFC 6531)
	Plain         bool   // the client said HELO, not EHLO
	Recipient     string // forward-path without brackets if there is only one, else "": it would tell of blind copies

	Signer Signer // nil: nothing is signed

	// CheckFrom, if not nil, gets the values of the From fields as soon as the header is read. Its error ends Prepare and
	// is returned as it is; dst has got nothing then.
	CheckFrom func(values []string) error
}

// Info is what was found out about the message on the way.
type Info struct {
	Size      int64  // bytes of Header and of what was written
	Header    string // what the signer made: fields to stand before what was written
	UTF8      bool   // the header has bytes above 127
	EightBit  bool   // a byte above 127: the next hop must offer 8BITMIME
	MessageID string // with its angle brackets; "" if the message has one that is malformed
}

// Prepare copies a message from src to dst and repairs and completes it. A header that no empty line ends gets one
// before the first line that cannot be part of a header; so does a message that starts with its body.
//
// The rest of a header stays as it came, be it odd (RFC 6409, 8 leaves that to this server):
//   - Any field but From may stand there twice: which one is meant cannot be told. With two From fields, which RFC 5322, 3.6
//     forbids, a filter may judge one author and a mail program show another; large receivers refuse such mail, and the
//     application should hear of it now. Postfix passes it on.
//   - Nothing adds a Sender field, though the login of the client is known: it would show account names to the world
//     ("on behalf of www-data"), and From is up to the tenant. Received has the local user, the log has the account.
//   - Bcc stays: a client that speaks SMTP says by RCPT who gets the mail, and may want the field to be read. The sendmail
//     command, which reads recipients from it, takes it out.
//
// A message that is refused gives an [*Error]; errors of src and dst are found in the returned one by errors.Is and
// errors.As. After any error what dst got is to be thrown away, and src may be read to its end by whoever needs that.
func Prepare(dst io.Writer, src io.Reader, opts Options) (Info, error) {
	buf := buffers.Get().(*buffer)
	defer buf.free()
	buf.r.Reset(src)
	in := &lineReader{r: buf.r}
	head, first, err := readHeader(in)
	if err != nil {
		return Info{}, err
	}
	if opts.CheckFrom != nil {
		if err := opts.CheckFrom(fieldValues(head.raw, "from")); err != nil {
			return Info{}, err
		}
	}
	added := received(opts)
	if !head.date {
		added += dateField(opts.Now)
	}
	if !head.hasID {
		head.messageID = "<" + opts.ID + "@" + opts.Hostname + ">"
		added += idField(head.messageID)
	}
	dst, signature, err := opts.sign(dst, Header{added, head.raw})
	if err != nil {
		return Info{}, err
	}
	if signature != nil {
		defer signature.Discard()
	}
	buf.w.Reset(dst)
	out := &output{w: buf.w}
	out.text(added)
	out.line(head.raw) // and the empty line
	if first != nil {
		out.line(first)
	}
	if err := copyBody(out, in); err != nil {
		return Info{}, err
	}
	info := Info{Size: out.size, EightBit: in.eightBit, UTF8: in.eightBit && hasEightBit(head.raw), MessageID: head.messageID}
	if signature != nil {
		info.Header, err = signature.Fields()
		info.Size += int64(len(info.Header))
	}
	return info, err
}

// buffer is what one message goes through.
type buffer struct {
	r *bufio.Reader
	w *bufio.Writer
}

// buffers are kept: two for each message would be most of what the collector has to do.
var buffers = sync.Pool{New: func() any {
	return &buffer{bufio.NewReaderSize(nil, 4096), bufio.NewWriterSize(nil, 8192)}
}}

// free lets go of source and destination and keeps the rest.
func (b *buffer) free() {
	b.r.Reset(nil)
	b.w.Reset(nil)
	buffers.Put(b)
}

// copyBody copies the lines that are left and sees them through to dst.
func copyBody(out *output, in *lineReader) error {
	for out.err == nil {
		line, err := in.next()
		if err == io.EOF {
			out.err = out.w.Flush()
			break
		}
		if err != nil {
			return err
		}
		out.line(line)
	}
	if out.err != nil {
		return fmt.Errorf("storing the message: %w", out.err)
	}
	return nil
}

// output counts what it writes. The buffered writer below keeps the first error, so only the latest need be looked at.
type output struct {
	w    *bufio.Writer
	size int64
	err  error
}

func (o *output) text(s string) {
	_, o.err = o.w.WriteString(s)
	o.size += int64(len(s))
}

func (o *output) line(b []byte) {
	o.w.Write(b)
	o.text("\r\n")
	o.size += int64(len(b))
}
