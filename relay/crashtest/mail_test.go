//go:build linux

package crashtest

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Domains that mail goes to.
const (
	good   = "good.example"   // its host takes all mail
	wait   = "wait.example"   // its host takes mail once it is open; until then mail stays queued
	bounce = "bounce.example" // is in no zone: an immediate bounce
)

// mail is one mail of a test, and what became of it. Its number stands in the sender's address, and so in the relay's log,
// in its listing, and in the address that a notice goes to.
type mail struct {
	number int
	domain string // of the recipient
	size   int    // bytes of text, about
	length int    // exactly
	sum    [sha256.Size]byte

	acked   bool     // a client got 250 for it
	deleted bool     // by the operator
	copies  arrivals // of the mail at its recipient
	notices arrivals // of notices about it at its sender
}

func newMail(number int, domain string, size int) *mail {
	m := &mail{number: number, domain: domain, size: size}
	hash := sha256.New()
	length := counter{hash, 0}
	m.writeTo(&length) // a hash takes everything
	m.length = length.n
	hash.Sum(m.sum[:0])
	return m
}

const senderPrefix, senderDomain = "app-", "@sender.example"

func (m *mail) sender() string    { return senderPrefix + strconv.Itoa(m.number) + senderDomain }
func (m *mail) recipient() string { return "anna@" + m.domain }

// numberOf is the reverse of sender.
func numberOf(address string) (number int, ok bool) {
	text, isOurs := strings.CutSuffix(address, senderDomain)
	text, isApp := strings.CutPrefix(text, senderPrefix)
	number, err := strconv.Atoi(text)
	return number, isOurs && isApp && err == nil
}

// firstLine of the text. The relay puts its own fields above it.
func (m *mail) firstLine() string { return fmt.Sprintf("X-Mail: %d\r\n", m.number) }

// writeTo writes the text. No two lines of any mails are the same, so that nothing can be exchanged or left out unseen.
func (m *mail) writeTo(w io.Writer) error {
	const filler = " the quick brown fox jumps over the lazy dog\r\n"
	b := fmt.Appendf(nil, "%sFrom: <%s>\r\nTo: <%s>\r\nSubject: mail %d\r\n\r\n",
		m.firstLine(), m.sender(), m.recipient(), m.number)
	for line, left := 0, m.size-len(b); left > 0; line++ {
		before := len(b)
		if line%7 == 0 {
			b = append(b, '.') // the dot must come through, too
		}
		b = strconv.AppendInt(b, int64(m.number), 10)
		b = append(b, '/')
		b = strconv.AppendInt(b, int64(line), 10)
		b = append(b, filler...)
		left -= len(b) - before
		if len(b) > 32<<10 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// maxReturned is a size up to which notices surely return the whole mail, and not its header alone.
const maxReturned = 32 << 10

// wholeIn reads what a mail host got, and reports whether the text is in it as it was handed in, with nothing behind it,
// or in a notice.
func (m *mail) wholeIn(r io.Reader, notice bool) (bool, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	first := []byte(m.firstLine())
	for {
		line, err := in.ReadSlice('\n')
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if bytes.Equal(line, first) {
			break
		}
	}
	hash := sha256.New()
	hash.Write(first)
	n, err := io.Copy(hash, io.LimitReader(in, int64(m.length-len(first))))
	if err != nil {
		return false, err
	}
	behind, err := io.Copy(io.Discard, in)
	if notice {
		return m.length > maxReturned || bytes.Equal(hash.Sum(nil), m.sum[:]), err
	}
	return int(n) == m.length-len(first) && behind == 0 && bytes.Equal(hash.Sum(nil), m.sum[:]), err
}

// counter counts what goes through.
type counter struct {
	w io.Writer
	n int
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += n
	return n, err
}
