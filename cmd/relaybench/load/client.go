//go:build linux

package load

import (
	"bytes"
	"errors"
	"strconv"
	"syscall"
	"time"
)

// state is what a client waits for: the answer to that command.
type state uint8

const (
	stateIdle state = iota
	stateMail
	stateRcpt
	stateData
	stateContent
	stateReset
	stateGone // the connection is closed
)

// stateNames are the stages that refusals are counted under.
var stateNames = [...]string{stateMail: "MAIL", stateRcpt: "RCPT", stateData: "DATA", stateContent: "end of data", stateReset: "RSET"}

// client is one connection, with the message on its way.
type client struct {
	pool    *Pool
	index   int // in pool.clients
	fd      int
	mail    *mail
	state   state
	number  int    // of the message
	refusal string // the first answer that said no to this message; "" for none
	began   time.Time

	in   [4096]byte // replies, up to the end of which has not come
	have int
	out  [2][]byte // what the socket did not take yet
}

// begin starts the next message, if there is one to send.
func (c *client) begin() {
	if c.state == stateGone {
		return
	}
	if c.state == stateIdle {
		c.pool.busy++
	}
	if c.pool.left == 0 {
		c.state = stateIdle
		c.pool.busy--
		return
	}
	c.number = c.pool.next
	c.mail.number(c.number)
	c.pool.next++
	c.pool.left--
	c.pool.result.Sent++
	c.refusal, c.began, c.state = "", time.Now(), stateMail
	if c.pool.opts.Pipelining {
		c.send(c.mail.envelope(), nil)
	} else {
		c.send(c.mail.command(stateMail), nil)
	}
}

// ready is called when the socket can be read or written.
func (c *client) ready(events uint32) {
	if c.state == stateGone {
		return
	}
	if events&syscall.EPOLLOUT != 0 {
		c.send(c.out[0], c.out[1])
	}
	if events&^syscall.EPOLLOUT == 0 || c.state == stateGone {
		return
	}
	n, err := syscall.Read(c.fd, c.in[c.have:])
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return
	case err != nil, n == 0:
		c.lost()
		return
	}
	c.have += n
	c.read()
}

// read takes the whole replies from the input.
func (c *client) read() {
	used := 0
	for c.state != stateGone {
		end := bytes.IndexByte(c.in[used:c.have], '\n')
		if end < 0 {
			break
		}
		line := c.in[used : used+end]
		used += end + 1
		code, last := replyCode(line)
		switch {
		case code == 0, c.state == stateIdle, len(c.out[0])+len(c.out[1]) > 0:
			c.lost() // this is not SMTP, or an answer before the question
		case last:
			c.answer(code, line)
		}
	}
	c.have = copy(c.in[:], c.in[used:c.have])
	if c.have == len(c.in) && c.state != stateGone {
		c.lost()
	}
}

// replyCode reads one line of a reply (RFC 5321 section 4.2.1); code 0: it is none.
func replyCode(line []byte) (code int, last bool) {
	if len(line) < 3 {
		return 0, false
	}
	for _, d := range line[:3] {
		if d < '0' || d > '9' {
			return 0, false
		}
		code = 10*code + int(d-'0')
	}
	return code, len(line) == 3 || line[3] != '-'
}

// answer goes on with the message according to the reply. Where commands are pipelined, a refusal shows before the answer to
// DATA, which must be waited for, and if it is 354 after all, ended.
func (c *client) answer(code int, line []byte) {
	if positive := code/100 == 2 || c.state == stateData && code == 354; !positive && c.refusal == "" {
		c.refusal = stateNames[c.state] + " " + strconv.Itoa(code)
	}
	pipelining := c.pool.opts.Pipelining
	switch {
	case c.state == stateContent, c.state == stateReset:
		c.finish(line)
		c.begin()
	case c.state == stateData && code == 354 && c.refusal != "":
		c.state = stateContent
		c.send([]byte(".\r\n"), nil)
	case c.refusal != "" && (!pipelining || c.state == stateData):
		c.state = stateReset
		c.send([]byte("RSET\r\n"), nil)
	case c.state == stateData:
		c.state = stateContent
		c.send(c.mail.content())
	default:
		c.state++
		if !pipelining {
			c.send(c.mail.command(c.state), nil)
		}
	}
}

// finish books the message.
func (c *client) finish(line []byte) {
	if c.refusal != "" {
		c.pool.result.refuse(c.refusal)
		return
	}
	now := time.Now()
	c.pool.result.acknowledge(c.number, line, now.Sub(c.began))
	if c.pool.opts.Acknowledged != nil {
		c.pool.opts.Acknowledged(c.number, now)
	}
}

// lost books a connection that broke. Whether the server has a message whose end was sent nobody knows.
func (c *client) lost() {
	switch {
	case c.state == stateContent && c.refusal == "":
		c.pool.result.Unknown++
	case c.state != stateIdle:
		c.pool.result.refuse("connection lost")
	}
	if c.state != stateIdle {
		c.pool.busy--
	}
	c.close()
}

func (c *client) close() {
	syscall.Close(c.fd)
	c.state = stateGone
}

// send writes both pieces, and asks to be called again for what the socket does not take now.
func (c *client) send(a, b []byte) {
	waited := len(c.out[0])+len(c.out[1]) > 0
	c.out = [2][]byte{a, b}
	for i := range c.out {
		for len(c.out[i]) > 0 {
			n, err := syscall.Write(c.fd, c.out[i])
			switch {
			case errors.Is(err, syscall.EINTR):
			case errors.Is(err, syscall.EAGAIN):
				c.watch(waited, true)
				return
			case err != nil:
				c.lost()
				return
			default:
				c.out[i] = c.out[i][n:]
			}
		}
	}
	c.watch(waited, false)
}

// watch turns on or off that the loop tells when the socket takes more.
func (c *client) watch(before, now bool) {
	if before == now {
		return
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(c.index)}
	if now {
		event.Events |= syscall.EPOLLOUT
	}
	if err := syscall.EpollCtl(c.pool.epoll, syscall.EPOLL_CTL_MOD, c.fd, &event); err != nil {
		c.lost()
	}
}
