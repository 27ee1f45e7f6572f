package sink

import (
	"bufio"
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Message is what a sink tells of a message that it took.
type Message struct {
	Recipients []string
	ID         string    // what stands before the @ in its Message-ID field; "": none was found
	At         time.Time // when the answer was sent
}

// maxHead is how much of a message is kept to look for its ID.
const maxHead = 4 << 10

// content is a message on its way in.
type content struct {
	head []byte
	size int64
}

func (c *content) add(p []byte) {
	c.size += int64(len(p))
	if room := maxHead - len(c.head); room > 0 {
		c.head = append(c.head, p[:min(room, len(p))]...)
	}
}

// id finds the Message-ID field.
func (c *content) id() string {
	header, _, _ := bytes.Cut(c.head, []byte("\r\n\r\n"))
	for line := range bytes.Lines(header) {
		const field = "message-id:"
		if len(line) > len(field) && strings.EqualFold(string(line[:len(field)]), field) {
			id, _, _ := strings.Cut(path(line), "@")
			return id
		}
	}
	return ""
}

// forget ends the transaction.
func (s *session) forget() {
	s.recipients = s.recipients[:0]
	s.content.head, s.content.size = s.content.head[:0], 0
}

// data reads a message and answers it.
func (s *session) data() {
	if len(s.recipients) == 0 {
		s.put("503 5.5.1 no recipients")
		return
	}
	if !s.say("data", "354 go ahead") {
		return
	}
	if !s.flush() || s.skip() != nil {
		s.over = true
		return
	}
	s.finish()
}

// skip reads up to the final dot.
func (s *session) skip() error {
	for lineStart := true; ; {
		line, err := s.in.ReadSlice('\n')
		if lineStart && string(line) == ".\r\n" {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		s.content.add(line)
		lineStart = bytes.HasSuffix(line, []byte("\r\n"))
	}
}

// bdat reads a chunk and answers it (RFC 3030). After a command that cannot be understood nobody knows where the next one begins.
func (s *session) bdat(line []byte) {
	size, last, ok := parseBDAT(line)
	if !s.sink.opts.Chunking || !ok {
		s.put("501 5.5.4 no such chunk")
		s.over = true
		return
	}
	if s.chunk(size) != nil {
		s.over = true
		return
	}
	switch {
	case len(s.recipients) == 0:
		s.put("503 5.5.1 no recipients")
	case last:
		s.finish()
	default:
		s.put("250 2.0.0 go on")
	}
}

// parseBDAT reads "BDAT 1000" and "BDAT 1000 LAST".
func parseBDAT(line []byte) (size int64, last, ok bool) {
	f := strings.Fields(string(line))
	if len(f) < 2 || len(f) > 3 || len(f) == 3 && !strings.EqualFold(f[2], "LAST") {
		return 0, false, false
	}
	size, err := strconv.ParseInt(f[1], 10, 64)
	return size, len(f) == 3, err == nil && size >= 0
}

// chunk reads so many octets. Answers do not wait for what has not come yet.
func (s *session) chunk(size int64) error {
	for size > 0 {
		if s.in.Buffered() == 0 && !s.flush() {
			return errors.New("the client is gone")
		}
		if _, err := s.in.Peek(1); err != nil {
			return err
		}
		p, _ := s.in.Peek(int(min(size, int64(s.in.Buffered()))))
		s.content.add(p)
		s.in.Discard(len(p))
		size -= int64(len(p))
	}
	return nil
}

// finish answers a whole message.
func (s *session) finish() {
	s.sleep(s.sink.opts.Delay)
	if s.say("dot", "250 2.0.0 taken") {
		s.sink.messages.Add(1)
		s.sink.bytes.Add(s.content.size)
		if s.sink.opts.Received != nil {
			s.taken = append(s.taken, Message{Recipients: append([]string(nil), s.recipients...), ID: s.content.id()})
		}
	}
	s.forget()
}
