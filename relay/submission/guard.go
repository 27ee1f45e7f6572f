package submission

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"tlsrelay/relay/submission/tenant"
)

// guard is the connection that go-smtp has for a client; doc.go says why. Each Read settles what go-smtp answered
// before, and then talks with the client until there is a command for go-smtp. All but stop runs in go-smtp's
// goroutine.
type guard struct {
	net.Conn          // to the client, TLS included
	wire     net.Conn // without TLS
	srv      *Server
	on       *Listener
	client   netip.Addr           // invalid if it did not come over a network
	userID   string               // of the user at a socket, "" over a network
	secure   *tls.ConnectionState // nil in clear text

	in    input
	out   []byte // replies that wait for the client
	feed  []byte // what go-smtp reads next
	verb  string // of the command that go-smtp answers: "" stands for the greeting, "." for the end of a message
	reply []byte // what it answered so far

	dialogue
	resumed  bool // after STARTTLS: the client has had its greeting
	ended    bool // nothing more is read or written
	passedOn bool // the connection belongs to another guard now
	closed   bool
	waiting  time.Time // since when the next message is waited for; zero: it is not yet

	seat     *tenant.Seat // nil: the client is no tenant
	unlogged bool         // the next refusal is in a summary

	mu       sync.Mutex
	stopping bool // end when the client is waited for
	inBody   bool // but not in a message
}

// Read gives go-smtp its next command. The only error is io.EOF: the client has been told already.
func (g *guard) Read(p []byte) (int, error) {
	if len(g.feed) == 0 {
		g.settle()
	}
	for len(g.feed) == 0 && !g.ended {
		line, err := g.readLine()
		if err != nil {
			g.lost(err)
			break
		}
		g.command(line)
	}
	if len(g.feed) == 0 {
		return 0, io.EOF
	}
	n := copy(p, g.feed)
	g.feed = g.feed[n:]
	return n, nil
}

// Write takes a piece of a reply from go-smtp.
func (g *guard) Write(p []byte) (int, error) {
	g.reply = append(g.reply, p...)
	return len(p), nil
}

// Close sends what is left to send. go-smtp may call it twice.
func (g *guard) Close() error {
	if g.closed {
		return nil
	}
	g.closed = true
	g.settle()
	g.end()
	g.summarize()
	if g.passedOn {
		return nil
	}
	g.leaveSeat()
	err := g.Conn.Close()
	g.srv.forget(g)
	return err
}

// end sends the replies; after that nothing is read or written.
func (g *guard) end() {
	if !g.ended {
		g.flush()
		g.ended = true
	}
}

// stop makes the guard end as soon as it waits for a command. Any goroutine may call it.
func (g *guard) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopping = true
	if !g.inBody {
		g.Conn.SetReadDeadline(longAgo)
	}
}

func (g *guard) isStopping() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopping
}

// longAgo is a deadline that makes a read fail at once.
var longAgo = time.Unix(1, 0)

// await sends the replies and reads what the client sends next, until the deadline at most.
func (g *guard) await(deadline time.Time) error {
	g.flush()
	if g.ended {
		return net.ErrClosed
	}
	g.readUntil(deadline)
	return g.in.fill(g.Conn)
}

// readUntil sets the deadline of the next read, unless the guard is to stop.
func (g *guard) readUntil(deadline time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping && !g.inBody {
		deadline = longAgo
	}
	g.Conn.SetReadDeadline(deadline)
}

func (g *guard) setInBody(inBody bool) {
	g.mu.Lock()
	g.inBody = inBody
	g.mu.Unlock()
}

// flush sends the replies in one write. After a failed one the connection is good for nothing.
func (g *guard) flush() error {
	if len(g.out) == 0 {
		return nil
	}
	patience := g.srv.opts.times.write
	if g.isStopping() {
		patience = refuseTime
	}
	g.Conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := g.Conn.Write(g.out)
	g.out = g.out[:0]
	if err != nil {
		g.ended = true
	}
	return err
}

// send adds reply lines to those that wait. Many of them do not wait for the end of the pipelined group.
func (g *guard) send(lines []byte) {
	g.out = append(g.out, lines...)
	if len(g.out) >= replyBuffer {
		g.flush()
	}
}

// readLine gives the next line with its end. The time for it runs from the moment it is waited for, so that single
// bytes gain nothing.
func (g *guard) readLine() ([]byte, error) {
	var deadline time.Time
	for {
		if line := g.in.line(); line != nil {
			return line, nil
		}
		if deadline.IsZero() {
			deadline = g.commandDeadline(time.Now())
		}
		if err := g.await(deadline); err != nil {
			return nil, err
		}
	}
}

// commandDeadline is when the line that is waited for from now on must be there.
func (g *guard) commandDeadline(now time.Time) time.Time {
	if g.waiting.IsZero() {
		g.waiting = now
	}
	command, message := now.Add(g.srv.opts.times.command), g.waiting.Add(g.srv.opts.times.message)
	if message.Before(command) {
		return message
	}
	return command
}

// lost ends a connection from which no command can be read any more.
func (g *guard) lost(err error) {
	timeout := errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case errors.Is(err, errLineTooLong):
		g.hangUp(500, "5.5.2", fmt.Sprintf("Line too long: at most %d bytes", maxAuthLine))
	case timeout && g.isStopping():
		g.say(421, "4.3.2", g.srv.opts.Hostname+" is shutting down, try again later")
	case timeout:
		g.say(421, "4.4.2", g.srv.opts.Hostname+" has waited too long for a command or a message")
	}
	g.end()
}

// hangUp ends the connection with a last reply. A client that is still sending gets a moment to read it: closing at
// once would make its system throw the reply away.
func (g *guard) hangUp(code int, status, text string) {
	g.say(code, status, text)
	g.end()
	half, ok := g.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	g.readUntil(time.Now().Add(lingerTime))
	io.CopyN(io.Discard, g.Conn, lingerBytes)
}

// say adds one reply line of the guard's own.
func (g *guard) say(code int, status, text string) {
	g.send(fmt.Appendf(nil, "%d %s %s\r\n", code, status, text))
}

// settle takes go-smtp's answer to what it was fed last, edits it and follows the dialogue by it.
func (g *guard) settle() {
	reply, verb := inEveryLine(g.reply), g.verb
	g.reply = nil
	if len(reply) < 4 || g.ended {
		return
	}
	code := int(reply[0]-'0')*100 + int(reply[1]-'0')*10 + int(reply[2]-'0')
	if verb == "" && g.resumed {
		return
	}
	if code >= 400 {
		g.logRefusal(verb, reply)
	}
	g.send(g.follow(verb, code, reply))
	g.judge(verb, code)
}

// pass feeds go-smtp a command.
func (g *guard) pass(verb, line string) {
	g.verb = verb
	g.feed = append([]byte(line), '\r', '\n')
}
