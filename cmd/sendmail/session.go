package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"
)

// Bounds of a session with the relay, which is on this machine but may be busy with its disk.
const (
	replyTime  = 5 * time.Minute  // for a reply, and for the relay to take the next bytes
	finalTime  = 10 * time.Minute // for the reply to the final dot (RFC 5321, 4.5.3.2.6)
	maxReplies = 4 << 20          // bytes of replies
)

// session is an SMTP dialogue with the relay.
type session struct {
	conn net.Conn
	in   *textproto.Reader
	out  *bufio.Writer

	host string // as the relay calls itself
	dsn  bool   // it offers DSN (RFC 3461)
}

// reply is what the relay answers to a command; text begins with the enhanced status code.
type reply struct {
	code int
	text string
}

func (r reply) ok() bool { return r.code < 400 }

func (r reply) String() string { return fmt.Sprintf("%d %s", r.code, oneLine(r.text)) }

// connect opens a session, as far as the reply to EHLO.
func connect(socket string) (*session, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, unreachable(socket, err)
	}
	s := &session{conn: conn}
	s.in = textproto.NewReader(bufio.NewReader(io.LimitReader(conn, maxReplies)))
	s.out = bufio.NewWriterSize(timed{conn}, 32<<10)
	if err := s.hello(); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// timed gives each write its own deadline.
type timed struct{ conn net.Conn }

func (t timed) Write(p []byte) (int, error) {
	t.conn.SetWriteDeadline(time.Now().Add(replyTime))
	return t.conn.Write(p)
}

func (s *session) hello() error {
	greeting, err := s.reply(replyTime)
	if err != nil {
		return err
	}
	if !greeting.ok() {
		return fail(exitUnavailable, "the relay takes no mail now; nothing was sent: %v", greeting)
	}
	s.host, _, _ = strings.Cut(greeting.text, " ")
	answer, err := s.ask("EHLO localhost")
	if err != nil {
		return err
	}
	if !answer.ok() {
		return fail(codeOf(answer), "the relay takes no mail now; nothing was sent: %v", answer)
	}
	for line := range strings.Lines(answer.text) {
		s.dsn = s.dsn || strings.EqualFold(strings.TrimSpace(line), "DSN")
	}
	return nil
}

// ask sends a command and waits for the reply. The error is that the connection is lost.
func (s *session) ask(format string, args ...any) (reply, error) {
	fmt.Fprintf(s.out, format+"\r\n", args...)
	if err := s.out.Flush(); err != nil {
		return s.lastWords(err)
	}
	return s.reply(replyTime)
}

// lastWords looks for what the relay said before it stopped reading.
func (s *session) lastWords(err error) (reply, error) {
	if r, lost := s.reply(time.Second); lost == nil {
		return r, nil
	}
	return reply{}, broken(err)
}

func (s *session) reply(limit time.Duration) (reply, error) {
	s.conn.SetReadDeadline(time.Now().Add(limit))
	code, text, err := s.in.ReadResponse(0)
	if err != nil {
		return reply{}, broken(err)
	}
	if code == 421 {
		return reply{}, fail(exitTempFail, "the relay takes no mail now; nothing was sent: try again (%v)", reply{code, text})
	}
	return reply{code, text}, nil
}

// quit ends the session. What the relay has taken it keeps, so its answer does not matter.
func (s *session) quit() {
	io.WriteString(s.conn, "QUIT\r\n")
	s.conn.Close()
}
