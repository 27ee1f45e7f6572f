package sink

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"
)

// idle is how long a client may be silent.
const idle = 5 * time.Minute

// session is one client's dialogue. Answers gather until there is nothing more to read, so that a pipelined group (RFC 2920) gets
// one write.
type session struct {
	sink       *Sink
	conn       net.Conn // TLS once it is on
	encrypted  bool
	versions   []uint16 // of TLS that the client offered, if anyone wants to know
	in         *bufio.Reader
	out        []byte
	recipients []string
	content    content
	taken      []Message // whose answers wait in out
	over       bool
}

func newSession(s *Sink, c net.Conn) *session {
	return &session{sink: s, conn: c, in: bufio.NewReaderSize(c, 8<<10)}
}

func (s *session) run() {
	if most := s.sink.opts.Connections; most > 0 && s.sink.open.Load() > int64(most) {
		s.put("421 4.7.0 too many connections")
		s.sink.refused.Add(1)
		s.over = true
	} else {
		s.over = !s.say("connect", "220 sink.bench.test ESMTP")
	}
	for !s.over && s.flush() {
		line, err := s.line()
		if err != nil {
			return
		}
		s.command(line)
	}
	s.flush()
}

// line reads a command. One that is too long is cut: a sink needs no more of it.
func (s *session) line() ([]byte, error) {
	line, err := s.in.ReadSlice('\n')
	for cut := err; errors.Is(cut, bufio.ErrBufferFull); {
		_, cut = s.in.ReadSlice('\n')
		line, err = nil, cut
	}
	return bytes.TrimRight(line, "\r\n"), err
}

func (s *session) command(line []byte) {
	switch verb(line) {
	case "EHLO":
		s.hello()
	case "STARTTLS":
		s.startTLS()
	case "MAIL":
		s.forget()
		if s.sink.opts.OnlyTLS && !s.encrypted {
			s.put("530 5.7.0 STARTTLS first")
			s.sink.refused.Add(1)
			return
		}
		s.say("mail", "250 2.1.0 ok")
	case "RCPT":
		s.rcpt(line)
	case "DATA":
		s.data()
	case "BDAT":
		s.bdat(line)
	case "QUIT":
		s.put("221 2.0.0 bye")
		s.over = true
	case "HELO", "RSET":
		s.forget()
		s.put("250 2.0.0 ok")
	case "NOOP":
		s.put("250 2.0.0 ok")
	default:
		s.put("500 5.5.1 what is that?")
	}
}

func (s *session) rcpt(line []byte) {
	if s.sink.opts.OnlyTLS && !s.encrypted {
		s.put("503 5.5.1 MAIL first")
		return
	}
	if !s.say("rcpt", "250 2.1.5 ok") {
		return
	}
	recipient := "" // that there is one is enough if nobody asks
	if s.sink.opts.Received != nil {
		recipient = path(line)
	}
	s.recipients = append(s.recipients, recipient)
}

// verb gives the command in upper case, without an allocation for those that are.
func verb(line []byte) string {
	if i := bytes.IndexByte(line, ' '); i >= 0 {
		line = line[:i]
	}
	switch string(line) {
	case "MAIL":
		return "MAIL"
	case "RCPT":
		return "RCPT"
	case "DATA":
		return "DATA"
	case "BDAT":
		return "BDAT"
	}
	return strings.ToUpper(string(line))
}

// path gives the address between angle brackets.
func path(line []byte) string {
	_, rest, _ := bytes.Cut(line, []byte{'<'})
	address, _, _ := bytes.Cut(rest, []byte{'>'})
	return string(address)
}

func (s *session) hello() {
	text := "250-sink.bench.test\r\n"
	if s.sink.tls != nil && !s.encrypted {
		text += "250-STARTTLS\r\n"
	}
	if !s.sink.opts.NoPipelining {
		text += "250-PIPELINING\r\n"
	}
	if s.sink.opts.Chunking {
		text += "250-CHUNKING\r\n"
	}
	s.say("ehlo", text+"250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE")
}

// startTLS shakes hands. What the client sent ahead of the handshake is not taken for a command (CVE-2011-0411).
func (s *session) startTLS() {
	if s.sink.tls == nil || s.encrypted {
		s.put("502 5.5.1 not here")
		return
	}
	if !s.say("starttls", "220 2.0.0 go ahead") {
		return
	}
	if s.in.Buffered() > 0 || !s.flush() {
		s.over = true
		return
	}
	c := tls.Server(s.conn, s.terms())
	if c.Handshake() != nil {
		s.over = true
		return
	}
	s.conn, s.encrypted = c, true
	s.in.Reset(c)
}

// terms are those of the sink; where someone wants to know about visits, they note what the client offers.
func (s *session) terms() *tls.Config {
	if s.sink.opts.Visited == nil {
		return s.sink.tls
	}
	t := s.sink.tls.Clone()
	t.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		s.versions = hello.SupportedVersions
		return nil, nil
	}
	return t
}

// say puts the usual answer, or the one that the sink was told to give at this stage, and reports whether it was positive.
// A 421, or a refusal at the start, ends the session.
func (s *session) say(stage, usual string) bool {
	reply, other := s.sink.opts.Replies[stage]
	if !other {
		reply = usual
	}
	s.put(reply)
	positive := reply[0] == '2' || reply[0] == '3'
	if !positive {
		s.sink.refused.Add(1)
		s.over = s.over || strings.HasPrefix(reply, "421")
	}
	return positive
}

func (s *session) put(reply string) { s.out = append(append(s.out, reply...), "\r\n"...) }

// flush sends what has gathered if there is nothing left to read, or if the session ends, and reports success. Messages count as
// received once their answers are on the way.
func (s *session) flush() bool {
	if len(s.out) == 0 || s.in.Buffered() > 0 && !s.over {
		return true
	}
	if !s.write() {
		return false
	}
	now := time.Now()
	for _, m := range s.taken {
		m.At = now
		s.sink.opts.Received(m)
	}
	s.taken = s.taken[:0]
	return true
}

func (s *session) write() bool {
	s.conn.SetDeadline(time.Now().Add(idle + time.Duration(len(s.out))*s.sink.opts.Tarpit))
	step := len(s.out)
	if s.sink.opts.Tarpit > 0 {
		step = 1
	}
	for out := s.out; len(out) > 0; out = out[step:] {
		s.sleep(s.sink.opts.Tarpit)
		if _, err := s.conn.Write(out[:step]); err != nil {
			return false
		}
	}
	s.out = s.out[:0]
	return true
}

// sleep waits, but not beyond the end of the sink.
func (s *session) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-s.sink.quit:
	}
}
