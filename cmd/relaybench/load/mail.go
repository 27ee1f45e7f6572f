//go:build linux

package load

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Sender is the reverse-path of all messages, and their author.
const (
	Sender       = "bench@" + SenderDomain
	SenderDomain = "source.test"
)

// digits is how numbers are written: always as long, so that one can be put in another's place.
const digits = 10

// Recipient gives the address of recipient n, who has one of so many domains.
func Recipient(n, domains int) string {
	return fmt.Sprintf("r%0*d@%s", digits, n, Domain(n%domains))
}

// Domain gives the name of one of the recipients' domains.
func Domain(n int) string { return fmt.Sprintf("d%0*d.dest.test", digits, n) }

// MessageID gives what stands before the @ in the Message-ID field of message n.
func MessageID(n int) string { return fmt.Sprintf("%0*d", digits, n) }

// RecipientNumber gives back the number in an address of [Recipient], or -1.
func RecipientNumber(address string) int {
	if !strings.HasPrefix(address, "r") || !strings.HasSuffix(address, ".dest.test") || len(address) < digits+1 {
		return -1
	}
	n, err := strconv.Atoi(address[1 : digits+1])
	if err != nil {
		return -1
	}
	return n
}

// mail is one client's message with all that is said around it, ready to be sent. Of two messages only the numbers
// differ, and they are written over.
type mail struct {
	opts   Options
	text   []byte // "MAIL ...\r\nRCPT ...\r\nDATA\r\n", header, and a small message's text and final dot
	shared []byte // the rest of a large message, the same for all clients
	ends   [3]int // of the three commands in text

	recipient, domain int    // where the recipient's numbers stand
	numbers           [2]int // where the message's number stands
}

// maxOwn is the size up to which a message lies in one piece, so that it goes out in one write.
const maxOwn = 64 << 10

func newMail(o Options) *mail {
	m := &mail{opts: o}
	address := Recipient(0, 1)
	var b bytes.Buffer
	mark := func(format string, args ...any) int {
		fmt.Fprintf(&b, format, args...)
		return b.Len()
	}
	zero := strings.Repeat("0", digits)
	m.ends[0] = mark("MAIL FROM:<%s>\r\n", Sender)
	m.recipient = mark("RCPT TO:<") + 1
	m.domain = m.recipient + strings.Index(address, "@d") + 1
	m.ends[1] = mark("%s>\r\n", address)
	m.ends[2] = mark("DATA\r\n")
	m.numbers[0] = mark("From: <%s>\r\nTo: undisclosed-recipients:;\r\nDate: Tue, 03 Nov 2026 12:00:00 +0000\r\nMessage-ID: <", Sender)
	m.numbers[1] = mark("%s@bench.test>\r\nSubject: message ", zero)
	header := mark("%s\r\n\r\n", zero) - m.ends[2]
	rest := append(text(o.Size-header), ".\r\n"...)
	if o.Size <= maxOwn {
		b.Write(rest)
	} else {
		m.shared = rest
	}
	m.text = b.Bytes()
	return m
}

// text gives size bytes of whole lines.
func text(size int) []byte {
	const line = "The quick brown fox jumps over the lazy dog, again and again and once again.\r\n"
	if size < len("\r\n") {
		return nil
	}
	b := append(bytes.Repeat([]byte(line), size/len(line)+1)[:size-2], "\r\n"...)
	if size > 2 && b[size-3] == '\r' {
		b[size-3] = '.' // the cut must not leave a CR without its LF
	}
	return b
}

// clone gives another client its own message; the shared text stays one.
func (m *mail) clone() *mail {
	c := *m
	c.text = slices.Clone(m.text)
	return &c
}

// number makes it message n.
func (m *mail) number(n int) {
	to := n
	if m.opts.Recipients > 0 {
		to = n % m.opts.Recipients
	}
	put(m.text[m.recipient:], to)
	put(m.text[m.domain:], to%m.opts.Domains)
	for _, at := range m.numbers {
		put(m.text[at:], n)
	}
}

func put(b []byte, n int) {
	for i := digits - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// command gives MAIL, RCPT or DATA.
func (m *mail) command(s state) []byte {
	from := 0
	if s > stateMail {
		from = m.ends[s-stateMail-1]
	}
	return m.text[from:m.ends[s-stateMail]]
}

// envelope gives all three.
func (m *mail) envelope() []byte { return m.text[:m.ends[2]] }

// content gives the message and the final dot, in two pieces.
func (m *mail) content() (own, shared []byte) { return m.text[m.ends[2]:], m.shared }
