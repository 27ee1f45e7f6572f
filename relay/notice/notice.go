// Package notice writes delivery status notifications (RFC 3464, RFC 6522): what became of a message, for its sender.
// The first part explains it to a person in one or two languages, the second to programs, the third returns the
// message.
//
// A notice is 7-bit ASCII with CRLF line ends, whatever addresses, replies and the message contain, so any next hop
// takes it: it needs SMTPUTF8 only if the address that it goes to does, which the envelope shows. Text from remote servers
// is bounded and made harmless before it is shown.
package notice

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/mail"
	"time"

	"tlsrelay/queue"
)

// Composer writes notices; it implements [queue.Notifier]. The zero value writes English ones for "localhost".
type Composer struct {
	Hostname  string       // this relay, as in EHLO
	Languages []string     // "en", "de", in the order in which they stand in a notice; others are passed over
	HelpURL   string       // link with placeholders {cause} {domain} {lang} {id}; "" for none
	Senders   []Sender     // who gets notices in other languages, or with another link
	Texts     *Texts       // nil: the built-in ones
	From      string       // author of notices as in a From field; "" or unreadable means MAILER-DAEMON@Hostname
	Log       *slog.Logger // hears of operator's texts that could not be used; nil: nobody does
}

var _ queue.Notifier = Composer{}

// Errors of Compose: a notice that nobody could get. Test with errors.Is.
var (
	ErrNullSender   = errors.New("a message with the null sender gets no notice")
	ErrNoRecipients = errors.New("a notice needs recipients that it is about")
)

// Compose writes the notice n, which is sent as message id at time now. Times in it are given in the zone of now. From
// original, the message that n is about, a bounded start is read; if it gives nothing, the notice goes without it.
// Errors of original are found in the returned one by errors.Is.
func (c Composer) Compose(n queue.Notice, id queue.ID, now time.Time, original io.Reader) ([]byte, error) {
	if n.Item.Sender == "" {
		return nil, ErrNullSender
	}
	if len(n.Recipients) == 0 {
		return nil, ErrNoRecipients
	}
	for _, i := range n.Recipients {
		if i < 0 || i >= len(n.Item.Recipients) {
			return nil, fmt.Errorf("%w: there is no recipient %d", ErrNoRecipients, i)
		}
	}
	returned, err := readReturned(original, n.Kind == queue.NoticeFailure && mayReturnWhole(&n.Item), n.Item.SMTPUTF8)
	if err != nil {
		return nil, fmt.Errorf("reading the message to return: %w", err)
	}
	if !isDomain(c.Hostname) {
		c.Hostname = "localhost"
	}
	c = c.forSender(&n.Item)
	list := c.Texts.in(c.Languages)
	v := c.view(n, now.Location(), returned)
	subject, text, err := v.write(list)
	if err != nil { // not with the built-in texts; and no sender may be left without a notice for the others' sake
		if c.Log != nil {
			c.Log.Error("a notice goes with the built-in texts", "id", id, "error", err)
		}
		list = builtIn().in(c.Languages)
		if subject, text, err = v.write(list); err != nil {
			return nil, err
		}
	}

	parts := []part{
		textPart(text, list),
		c.deliveryStatus(n, now.Location()),
	}
	parts = append(parts, returned.parts()...)
	return c.message(n, id, now, subject, returned.messageID, parts), nil
}

// message puts header and parts together.
func (c Composer) message(
	n queue.Notice, id queue.ID, now time.Time, subject, about string, parts []part,
) []byte {
	boundary := freeBoundary(id, parts)
	var b builder
	b.field("From", c.from(), maxAddress)
	b.field("To", to(n.Item.Sender), maxAddress)
	b.field("Subject", mime.QEncoding.Encode("utf-8", subject), maxField)
	b.field("Date", stamp(now), maxField)
	b.field("Message-ID", "<"+id.String()+"@"+c.Hostname+">", maxField)
	if about != "" {
		b.field("In-Reply-To", about, maxField)
		b.field("References", about, maxField)
	}
	b.field("Auto-Submitted", "auto-replied", maxField) // RFC 3834
	b.field("MIME-Version", "1.0", maxField)
	b.field("Content-Type", "multipart/report; report-type=delivery-status; boundary=\""+boundary+"\"", maxField)
	b.line("")
	for _, p := range parts {
		b.part(boundary, p)
	}
	b.line("--" + boundary + "--")
	return b.Bytes()
}

func (c Composer) from() string {
	if a, err := mail.ParseAddress(c.From); err == nil && isASCII(a.String()) {
		return a.String()
	}
	return "Mail Delivery System <MAILER-DAEMON@" + c.Hostname + ">"
}

// to is the field for a sender in wire form. An address that cannot stand in an ASCII header is left to the envelope.
func to(sender string) string {
	if a, err := mail.ParseAddress("<" + sender + ">"); err == nil && len(sender) <= maxPath {
		if s := a.String(); isASCII(s) {
			return s
		}
	}
	return "undisclosed-recipients:;"
}

func isASCII(s string) bool { return ascii(s, len(s)) == s }
